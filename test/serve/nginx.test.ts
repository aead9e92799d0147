import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { drawPhoto } from '../support/draw.js'
import { freePorts } from '../support/ports.js'
import { encode, form, heldEngine, problemOf, shippedModels, startServer } from './support.js'

/** From `dist/test/serve/` to the project's folder. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const program = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
const missing = spawnSync('nginx', ['-v']).error ? 'nginx is not installed' : false

const png = await encode(drawPhoto(40, 30))

test('two replicas behind nginx: one is stopped and started again under load, and no request fails', { skip: missing }, async t => {
  const ports = await freePorts(2)
  const replicas = await Promise.all(ports.map(replica))
  t.after(() => {
    for (const child of replicas) child.kill('SIGKILL')
  })
  const url = await startNginx(t, ports)

  const statuses: number[] = []
  let asked = 0
  const client = async () => {
    while (asked++ < 90) {
      const answer = await fetch(`${url}/upscale`, { method: 'POST', body: form(png) })
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
})

test('where both replicas are full, everybody is told so, again and again', { skip: missing }, async t => {
  const { engines, url } = await heldReplicas(t, { maxInFlight: 1 })
  const post = () => fetch(`${url}/upscale`, { method: 'POST', body: form(png) })
  const accepted = [post(), post()]
  await Promise.all(engines.map(engine => engine.begun(1)))
  for (let i = 0; i < 4; i++) {
    const refused = await post()
    assert.ok(refused.headers.has('retry-after'))
    assert.equal((await problemOf(refused)).code, 'busy')
  }
  for (const { jobs } of engines) jobs[0]!.finish()
  for (const answer of accepted) assert.equal((await answer).status, 200)
})

test('a job that its replica refuses goes to no other, where nobody would find it; those it has are found', { skip: missing }, async t => {
  const { url } = await heldReplicas(t, { maxRunningJobs: 1, maxQueuedJobs: 1 })
  const post = (path: string) => fetch(url + path, { method: 'POST', body: form(png) })
  const taken = [await post('/jobs'), await post('/Jobs/')]
  assert.deepEqual(
    taken.map(({ status }) => status),
    [202, 202],
  )
  for (const path of ['/jobs', '/JOBS']) assert.equal((await problemOf(await post(path))).code, 'busy')
  for (const answer of taken) {
    const at = answer.headers.get('location')!
    for (const path of [at, `${at}/`, at.replace('jobs', 'JOBS')]) assert.equal((await fetch(url + path)).status, 200, path)
  }
})

test('a job waits for its replica to come back rather than be made where nobody finds it', { skip: missing }, async t => {
  const { url, engines, servers } = await heldReplicas(t)
  const post = () => fetch(`${url}/jobs`, { method: 'POST', body: form(png) })
  assert.equal((await post()).status, 202)
  const at = engines.findIndex(({ jobs }) => jobs.length > 0)
  await servers[at]!.close()
  assert.equal((await post()).status, 502)
  assert.equal(engines[1 - at]!.jobs.length, 0)
})

test('the figures of a replica are not for the outside, however they are written', { skip: missing }, async t => {
  const { url } = await heldReplicas(t)
  for (const path of ['/metrics', '/metrics/', '/METRICS', '/Metrics/?x=1', '/%6Detrics', '//metrics']) {
    const answer = await fetch(url + path)
    assert.equal(answer.status, 404, path)
    assert.match(await answer.text(), /nginx/, path)
  }
})

/** Two servers in this process, with nginx in front of them. */
async function heldReplicas(t: TestContext, limits: Parameters<typeof startServer>[1] = {}) {
  const engines = [heldEngine(), heldEngine()]
  const servers = await Promise.all(engines.map(engine => startServer(engine, { trustedProxies: 1, ...limits })))
  // A test may have closed one of them.
  t.after(() => Promise.allSettled(servers.map(server => server.close())))
  const ports = servers.map(({ port }) => port)
  return { engines, servers, url: await startNginx(t, ports) }
}

/** @returns the address at which it answers */
async function startNginx(t: TestContext, ports: number[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-nginx-'))
  const [door] = await freePorts(1)
  const nginx = spawn('nginx', ['-c', await configured(folder, door!, ports), '-g', 'daemon off;'], { stdio: 'ignore' })
  t.after(async () => {
    // Killed, it would leave its workers behind.
    nginx.kill('SIGTERM')
    await once(nginx, 'exit')
    await rm(folder, { recursive: true })
  })
  const url = `http://127.0.0.1:${door}`
  await answering(`${url}/healthz`)
  return url
}

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
