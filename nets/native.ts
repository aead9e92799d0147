import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UprezError } from '../errors.js'
import { execute } from './execute.js'

/**
 * The native TensorFlow engine: a current TensorFlow's shared libraries (from its Python wheel; no Python
 * runs afterwards) and the addon of tfjs-node compiled against them, both in a folder of the user's cache.
 * node_modules is never touched.
 */

const TENSORFLOW = 'tensorflow-cpu==2.21.0'
const PLATFORMS: Record<string, string> = { x64: 'manylinux_2_27_x86_64', arm64: 'manylinux_2_27_aarch64' }
const require = createRequire(import.meta.url)

/** Folder of everything uprez caches: `UPREZ_CACHE`, else the user's cache folder. */
export function cacheFolder(): string {
  return resolve(process.env.UPREZ_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uprez'))
}

export function nativeFolder(): string {
  return join(cacheFolder(), TENSORFLOW.replace('==', '-'))
}

/** The compiled addon, or undefined where `setup tensorflow` has not been run. */
export function nativeAddon(): string | undefined {
  const file = join(nativeFolder(), 'tfjs_binding.node')
  return existsSync(file) ? file : undefined
}

/**
 * Makes the native engine and probes it with one convolution. Does nothing where the probe already passes.
 * @param say receives one line per stage
 * @throws UprezError `engine-unavailable` naming what is missing and how to get it
 */
export async function setupNative(say: (line: string) => void): Promise<'ready' | 'made'> {
  if (process.platform !== 'linux' || !PLATFORMS[process.arch]) {
    throw unavailable(`the native engine is made for Linux on x64 or arm64, not ${process.platform} ${process.arch}; use --engine wasm`)
  }
  if (nativeAddon()) {
    if ((await probeNative()) === undefined) return 'ready'
    say('the addon is there but does not answer; making it again')
  }
  for (const [tool, how] of [
    ['python3', 'apt install python3 python3-pip'],
    ['g++', 'apt install g++'],
  ] as const) {
    if (!(await succeeds(tool, ['--version']))) throw unavailable(`${tool} was not found; ${how}`)
  }
  await mkdir(cacheFolder(), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(), '.making-'))
  try {
    say(`downloading ${TENSORFLOW} with pip (270 MB)`)
    await download(folder)
    say('unpacking its libraries and C headers')
    await unpack(folder)
    say('compiling the tfjs-node addon against them')
    await compile(folder, nativeFolder())
    await rm(nativeFolder(), { recursive: true, force: true })
    await rename(folder, nativeFolder())
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  say('probing: one convolution')
  const trouble = await probeNative()
  if (trouble !== undefined) throw unavailable(`the addon was compiled but fails: ${trouble}`)
  return 'made'
}

/** Runs one convolution in a child process (a native crash stays there). Resolves to undefined, or to the reason it failed. */
export async function probeNative(): Promise<string | undefined> {
  if (!nativeAddon()) return 'not set up (npm run setup -- tensorflow)'
  const child = fileURLToPath(new URL('./probe.js', import.meta.url))
  const { code, output } = await execute(process.execPath, [child, 'tensorflow'])
  return code === 0 ? undefined : output.trim().split('\n').slice(-3).join(' ') || `exit code ${code}`
}

async function download(folder: string): Promise<void> {
  // The wheel's own Python version does not matter: only its shared libraries are used.
  const target = ['--only-binary=:all:', '--implementation=cp', '--python-version=3.11', `--platform=${PLATFORMS[process.arch]}`]
  const { code, output } = await execute('python3', ['-m', 'pip', 'download', '--no-deps', ...target, '--dest', folder, TENSORFLOW])
  if (code !== 0) throw unavailable(`pip could not download ${TENSORFLOW}: ${output.trim().split('\n').slice(-3).join(' ')}`)
}

async function unpack(folder: string): Promise<void> {
  const wheel = (await readdir(folder)).find(name => name.endsWith('.whl'))!
  const program = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist()
        if name.startswith(("tensorflow/libtensorflow_", "tensorflow/include/"))])`
  const { code, output } = await execute('python3', ['-c', program, join(folder, wheel), folder])
  if (code !== 0) throw unavailable(`the wheel could not be unpacked: ${output.trim().split('\n').at(-1)}`)
  await rm(join(folder, wheel))
}

async function compile(folder: string, home: string): Promise<void> {
  const source = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding')
  const napi = (require('node-api-headers') as { include_dir: string }).include_dir
  const libraries = join(folder, 'tensorflow')
  const { code, output } = await execute('g++', [
    '-O2',
    '-std=c++17',
    '-shared',
    '-fPIC',
    '-DNAPI_VERSION=8',
    '-DNODE_GYP_MODULE_NAME=tfjs_binding',
    '-DBUILDING_NODE_EXTENSION',
    `-I${napi}`,
    `-I${join(libraries, 'include')}`,
    `-I${source}`,
    join(source, 'tfjs_backend.cc'),
    join(source, 'tfjs_binding.cc'),
    '-o',
    join(folder, 'tfjs_binding.node'),
    `-L${libraries}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    `-Wl,-rpath,${join(home, 'tensorflow')}`,
  ])
  if (code !== 0) throw unavailable(`g++ failed: ${output.trim().split('\n').slice(-5).join('\n')}`)
  await writeFile(join(folder, 'made.json'), `${JSON.stringify({ tensorflow: TENSORFLOW, node: process.version, arch: process.arch })}\n`)
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  return (await execute(command, args)).code === 0
}

function unavailable(message: string): UprezError {
  return new UprezError('engine-unavailable', message, { param: 'engine', expected: 'tensorflow, made by `uprez setup tensorflow`' })
}
