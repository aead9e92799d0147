import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { drawPhoto } from '../support/draw.js'
import { freePorts } from '../support/ports.js'
import { encode, form, shippedModels } from './support.js'

/** From `dist/test/serve/` to the project's folder. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const program = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
const missing = spawnSync('nginx', ['-v']).error ? 'nginx is not installed' : false

test('two replicas behind nginx: one is stopped and started again under load, and no request fails', { skip: missing }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-nginx-'))
  const [door, ...ports] = await freePorts(3)
  const replicas = await Promise.all(ports.map(replica))
  const nginx = spawn('nginx', ['-c', await configured(folder, door!, ports), '-g', 'daemon off;'], { stdio: 'ignore' })
  t.after(async () => {
    // Killed, it would leave its workers behind.
    nginx.kill('SIGTERM')
    for (const child of replicas) child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })
  await answering(`http://127.0.0.1:${door}/healthz`)

  const png = await encode(drawPhoto(40, 30))
  const statuses: number[] = []
  let asked = 0
  const client = async () => {
    while (asked++ < 90) {
      const answer = await fetch(`http://127.0.0.1:${door}/upscale`, { method: 'POST', body: form(png) })
      await answer.arrayBuffer()
      statuses.push(answer.status)
    }
  }
  const clients = Promise.all([client(), client(), client(), client()])
  const until = async (count: number) => {
    while (statuses.length < count) await new Promise(setImmediate)
  }

  await until(20)
  replicas[0]!.kill('SIGTERM')
  assert.deepEqual(await once(replicas[0]!, 'exit'), [0, null])
  await until(50)
  replicas[0] = await replica(ports[0]!)
  await clients
  assert.deepEqual(
    statuses.filter(status => status !== 200),
    [],
  )
  assert.equal(statuses.length, 90)
  assert.equal((await fetch(`http://127.0.0.1:${door}/metrics`)).status, 404)
})

/** The file that the project ships, with other addresses and folders. */
async function configured(folder: string, door: number, ports: number[]): Promise<string> {
  const shipped = await readFile(join(root, 'deploy/nginx.conf'), 'utf8')
  const text = shipped
    .replace('listen 8080', `listen 127.0.0.1:${door}`)
    .replaceAll('127.0.0.1:3001', `127.0.0.1:${ports[0]}`)
    .replaceAll('127.0.0.1:3002', `127.0.0.1:${ports[1]}`)
    .replaceAll('/tmp/', `${folder}/`)
  const file = join(folder, 'nginx.conf')
  await writeFile(file, text)
  return file
}

async function replica(port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, 'serve', '--port', String(port), '-m', shippedModels, '-n', 'fast-x4'], {
    env: { PATH: process.env.PATH, UPREZ_THREADS: '1', UPREZ_LOG: 'silent', TRUST_PROXY: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', text => {
      said += text
      if (said.includes('is ready')) resolve()
    })
    child.once('exit', () => reject(new Error(said)))
  })
  return child
}

async function answering(url: string): Promise<void> {
  for (let attempt = 0; attempt < 5000; attempt++) {
    const status = await fetch(url).then(
      answer => answer.status,
      () => 0,
    )
    if (status === 200) return
    await new Promise(setImmediate)
  }
  throw new Error(`${url} does not answer`)
}
