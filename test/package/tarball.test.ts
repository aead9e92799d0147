import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { PRESETS } from '../../train/presets.js'
import { pixelsOf, raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const { name, version, dependencies } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as {
  name: string
  version: string
  dependencies: Record<string, string>
}

/**
 * What is packed is all that a stranger gets. It is put into an empty folder with its declared dependencies, the checkout's own
 * copies: what we use and forgot to declare is missing there, and nothing is fetched (`.ci/run` installs it with npm as well).
 */
describe('the packed tarball, in an empty folder', () => {
  let folder: string
  let packed: string[]
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-package-'))
    const tarball = join(folder, `${name}-${version}.tgz`)
    const { stdout } = await npm(checkout, ['pack', '--json', '--pack-destination', folder])
    packed = (JSON.parse(stdout) as [{ files: { path: string }[] }])[0].files.map(file => file.path)
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    await install(tarball)
    await writeFile(join(folder, 'a.png'), await raw(drawPhoto(32, 20)).png().toBuffer())
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function install(tarball: string): Promise<void> {
    const place = join(folder, 'node_modules', name)
    await mkdir(join(folder, 'node_modules', '.bin'), { recursive: true })
    await mkdir(place)
    await run('tar', ['-xzf', tarball, '-C', place, '--strip-components=1'])
    for (const dependency of Object.keys(dependencies)) {
      const link = join(folder, 'node_modules', dependency)
      await mkdir(dirname(link), { recursive: true })
      await symlink(join(checkout, 'node_modules', dependency), link)
    }
    await chmod(join(place, 'dist/bin/uprez.js'), 0o755)
    await symlink(join(place, 'dist/bin/uprez.js'), join(folder, 'node_modules/.bin/uprez'))
  }

  it('holds the model, the page and the documents, and neither sources, tests nor pictures of ours', () => {
    for (const file of [
      'LICENSE',
      'README.md',
      'ARCHITECTURE.md',
      'models/fast-x4/card.json',
      'models/fast-x4/model.onnx',
      'dist/page/index.html',
    ]) {
      assert.ok(packed.includes(file), file)
    }
    const strays = packed.filter(
      file => /(^dist\/(test|bench)\/|\.test\.|^\.|\/\.)/.test(file) || (/\.ts$/.test(file) && !file.endsWith('.d.ts')),
    )
    assert.deepEqual(strays, [])
  })

  it('holds every model once: the server gives the page its own', () => {
    assert.deepEqual(
      packed.filter(file => file.startsWith('dist/page/models/')),
      [],
    )
  })

  it('holds the weights that presets begin with, and no others', () => {
    const beginnings = new Set(Object.values(PRESETS).flatMap(({ from }) => (from === undefined ? [] : [from as string])))
    const wanted = [...beginnings].flatMap(id => ['model.json', 'weights.bin'].map(file => `models/${id}/weights/${file}`))
    assert.deepEqual(packed.filter(file => file.includes('/weights/')).sort(), wanted.sort())
  })

  it('tells how an optional part is set up by the command that the package has', async () => {
    const env = { ...strangersEnvironment(), UPREZ_CACHE: join(folder, 'empty-cache') }
    const words = ['uprez', 'train', '--preset', 'tiny', '--data', '.', '--engine', 'webgpu', '-o', 'run']
    await assert.rejects(npx(words, env), { stderr: /engine-unavailable: .*`npx uprez setup webgpu`/ })
  })

  it('answers npx uprez -i a.png -o b.png', async () => {
    await npx(['uprez', '-i', 'a.png', '-o', 'b.png'])
    const { width, height, channels } = await pixelsOf(await readFile(join(folder, 'b.png')))
    assert.deepEqual([width, height, channels], [128, 80, 3])
    assert.deepEqual(
      (await readdir(folder)).filter(file => file.endsWith('-tmp')),
      [],
    )
  })

  it('starts every command with the declared dependencies alone', async () => {
    const { stdout } = await npx(['uprez', '--help'])
    for (const command of ['upscale', 'serve', 'train', 'export', 'eval', 'doctor', 'setup'])
      assert.match(stdout, new RegExp(`\\b${command}\\b`))
  })

  it('answers import "uprez", to the same pixels as the command', async () => {
    const program = `
      import { createUpscaler } from 'uprez'
      const up = await createUpscaler({ model: 'fast-x4' })
      const { width, height, provider } = await up.upscale('a.png', { output: 'c.png' })
      await up.close()
      console.log(JSON.stringify({ width, height, provider }))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
    assert.deepEqual(JSON.parse(stdout), { width: 128, height: 80, provider: 'cpu' })
    await npx(['uprez', '-i', 'a.png', '-o', 'd.png'])
    assert.deepEqual(await pixelsOf(await readFile(join(folder, 'c.png'))), await pixelsOf(await readFile(join(folder, 'd.png'))))
  })

  it('answers import "uprez/web", and both imports have types', async () => {
    const program = `console.log(import.meta.resolve('uprez/web'))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
    assert.ok(existsSync(fileURLToPath(stdout.trim())))
    await writeFile(
      join(folder, 'consumer.ts'),
      `import { createUpscaler as node, type Upscaled } from 'uprez'
       import { createUpscaler as web } from 'uprez/web'
       const up = await node({ model: 'fast-x4' })
       export const result: Upscaled = await up.upscale(new Uint8Array(), { scale: 2, format: 'png', signal: AbortSignal.timeout(1) })
       // @ts-expect-error a misspelt option
       await up.upscale('a.png', { sacle: 2 })
       export const browser: Promise<{ close(): unknown }> = web({ model: 'fast-x4' })`,
    )
    const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
    const flags = ['--noEmit', '--strict', '--target', 'es2023', '--lib', 'es2023,dom', '--module', 'nodenext', '--skipLibCheck']
    await run(process.execPath, [tsc, ...flags, 'consumer.ts'], { cwd: folder }).catch(error => assert.fail(error.stdout))
  })

  it('says what it is when asked from a folder of another place', async () => {
    const { href } = pathToFileURL(join(folder, 'node_modules', name, 'dist/bin/uprez.js'))
    const { stdout } = await run(process.execPath, [fileURLToPath(href), '--version'], { cwd: tmpdir() })
    assert.equal(stdout.trim(), version)
  })

  /** Without what an npm around the tests hands down (its settings would be ours, not a stranger's). */
  function npm(cwd: string, words: string[]) {
    return run('npm', words, { cwd, env: strangersEnvironment(), maxBuffer: 1e8, shell: process.platform === 'win32' })
  }

  function npx(words: string[], env = strangersEnvironment()) {
    return run('npx', ['--no-install', ...words], { cwd: folder, env, shell: process.platform === 'win32' })
  }
})

function strangersEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([variable]) => !/^npm_(config_(?!registry|cache|userconfig)|package|lifecycle|command)|^INIT_CWD$/i.test(variable),
    ),
  )
}
