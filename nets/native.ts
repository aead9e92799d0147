import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { UprezError } from '../errors.js'
import { execute } from './execute.js'
import { replaceFolder } from './model-files.js'
import { tryEngine } from './try-engine.js'

/**
 * The native TensorFlow engine: a current TensorFlow's shared libraries (from its Python wheel; no Python
 * runs afterwards) and the addon of tfjs-node compiled against them, both in a folder of the user's cache.
 * node_modules is never touched.
 */

const TENSORFLOW = '2.21.0'
/** As pip names them; NVIDIA's wheels have older tags than TensorFlow's. */
const PLATFORMS: Record<string, string[]> = {
  x64: ['2_27', '2_17', '2_12'].map(libc => `manylinux_${libc}_x86_64`).concat('manylinux2014_x86_64', 'manylinux2010_x86_64'),
  arm64: ['manylinux_2_27_aarch64'],
}

/** A wheel and its size in MB. */
type Wheel = readonly [name: string, megabytes: number]

interface Variant {
  folder: string
  wheels: Wheel[]
  /** Unpacked, in GB. */
  size: number
  processors: string[]
}

export type NativeVariant = 'cpu' | 'cuda'

/** `cuda` is what `pip install tensorflow[and-cuda]` would bring: TensorFlow finds NVIDIA's libraries beside its own. */
const VARIANTS: Record<NativeVariant, Variant> = {
  cpu: { folder: `tensorflow-cpu-${TENSORFLOW}`, wheels: [[`tensorflow-cpu==${TENSORFLOW}`, 270]], size: 1, processors: ['x64', 'arm64'] },
  cuda: {
    folder: `tensorflow-cuda-${TENSORFLOW}`,
    wheels: [
      [`tensorflow==${TENSORFLOW}`, 572],
      ['nvidia-cublas-cu12==12.9.3.13', 581],
      ['nvidia-cuda-cupti-cu12==12.8.90', 10],
      ['nvidia-cuda-nvcc-cu12==12.9.86', 41],
      ['nvidia-cuda-nvrtc-cu12==12.9.86', 90],
      ['nvidia-cuda-runtime-cu12==12.9.79', 3],
      ['nvidia-cudnn-cu12==9.28.0.42', 717],
      ['nvidia-cufft-cu12==11.4.1.4', 201],
      ['nvidia-curand-cu12==10.3.10.19', 68],
      ['nvidia-cusolver-cu12==11.7.5.82', 338],
      ['nvidia-cusparse-cu12==12.5.10.65', 366],
      ['nvidia-nccl-cu12==2.32.3', 352],
      ['nvidia-nvjitlink-cu12==12.9.86', 40],
    ],
    size: 6,
    processors: ['x64'],
  },
}
const require = createRequire(import.meta.url)

/** Folder of everything uprez caches: `UPREZ_CACHE`, else the user's cache folder. */
export function cacheFolder(): string {
  return resolve(process.env.UPREZ_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'uprez'))
}

export function nativeFolder(variant: NativeVariant = 'cpu'): string {
  return join(cacheFolder(), VARIANTS[variant].folder)
}

/** The compiled addon, CUDA's where there is one; undefined where `setup tensorflow` has not been run. */
export function nativeAddon(): string | undefined {
  return (['cuda', 'cpu'] as const).map(addonOf).find(existsSync)
}

function addonOf(variant: NativeVariant): string {
  return join(nativeFolder(variant), 'tfjs_binding.node')
}

/**
 * Makes the native engine and probes it with one convolution. Does nothing where the probe already passes.
 * @param say receives one line per stage
 * @throws UprezError `engine-unavailable` naming what is missing and how to get it; `no-space`
 */
export async function setupNative(say: (line: string) => void, variant: NativeVariant = 'cpu'): Promise<'ready' | 'made'> {
  const { wheels, size, processors } = VARIANTS[variant]
  if (process.platform !== 'linux' || !processors.includes(process.arch)) {
    const where = `Linux on ${processors.join(' or ')}`
    throw unavailable(`this engine is made for ${where}, not ${process.platform} ${process.arch}; use --engine webgpu or wasm`)
  }
  if (existsSync(addonOf(variant))) {
    if ((await probe(variant, say)) === undefined) return 'ready'
    say('the addon is there but does not answer; making it again')
  }
  for (const [tool, how] of [
    ['python3', 'apt install python3 python3-pip'],
    ['g++', 'apt install g++'],
  ] as const) {
    if ((await execute(tool, ['--version'])).code !== 0) throw unavailable(`${tool} was not found; ${how}`)
  }
  await mkdir(cacheFolder(), { recursive: true })
  await demandSpace(variant)
  const megabytes = wheels.reduce((sum, [, size]) => sum + size, 0)
  say(`${megabytes} MB will be downloaded, ${size} GB stay in ${nativeFolder(variant)}`)
  await replaceFolder(nativeFolder(variant), async folder => {
    for (const [i, wheel] of wheels.entries()) {
      say(`downloading ${wheel[0]} with pip (${wheel[1]} MB${wheels.length > 1 ? `, ${i + 1} of ${wheels.length}` : ''})`)
      await download(folder, wheel[0])
      await unpack(folder)
    }
    say('compiling the tfjs-node addon against its libraries')
    await compile(folder, variant)
  })
  const trouble = await probe(variant, say)
  if (trouble !== undefined) throw unavailable(`the addon was compiled but fails: ${trouble}`)
  return 'made'
}

/** @returns undefined, or the reason why the engine does not work */
async function probe(variant: NativeVariant, say: (line: string) => void): Promise<string | undefined> {
  if (variant === 'cuda') for (const line of await cudaFacts()) say(line)
  const { trouble, device } = await tryEngine('tensorflow')
  if (trouble === undefined && variant === 'cuda') say(`one convolution came out right, on the ${device}`)
  return trouble
}

/** What can be told of CUDA without a GPU, and that no more was. */
async function cudaFacts(): Promise<string[]> {
  const libraries = join(nativeFolder('cuda'), 'nvidia')
  const files = (await readdir(libraries, { recursive: true })).filter(name => /\/lib\/[^/]*\.so[.\d]*$/.test(name))
  const { output } = await execute(
    'ldd',
    files.map(name => join(libraries, name)),
  )
  const missing = new Set([...output.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!))
  // That one is the driver's.
  missing.delete('libcuda.so.1')
  const gpu = await execute('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'])
  return [
    gpu.code === 0 ? `GPU and driver: ${gpu.output.trim()}` : 'no NVIDIA driver answers (nvidia-smi): it will compute on the CPU',
    missing.size === 0 ? `${files.length} CUDA libraries find one another` : `libraries that are missing: ${[...missing].join(', ')}`,
    'uprez has not been run on a GPU yet: compare the first losses with those of --engine wasm',
  ]
}

async function demandSpace(variant: NativeVariant): Promise<void> {
  const { wheels, size } = VARIANTS[variant]
  const largest = Math.max(...wheels.map(([, megabytes]) => megabytes)) / 1000
  const { bavail, bsize } = await statfs(cacheFolder())
  const free = (bavail * bsize) / 1e9
  if (free > size + largest) return
  throw new UprezError('no-space', `${cacheFolder()}: ${(size + largest).toFixed(1)} GB are needed, ${free.toFixed(1)} GB are free`, {
    param: 'UPREZ_CACHE',
    expected: 'a folder with more space',
    got: cacheFolder(),
  })
}

async function download(folder: string, wheel: string): Promise<void> {
  // The wheel's own Python version does not matter: only its shared libraries are used.
  const target = ['--only-binary=:all:', '--implementation=cp', '--python-version=3.11']
  const platforms = PLATFORMS[process.arch]!.map(platform => `--platform=${platform}`)
  const options = ['--no-deps', '--no-cache-dir', ...target, ...platforms, '--dest', folder]
  const { code, output } = await execute('python3', ['-m', 'pip', 'download', ...options, wheel])
  if (code !== 0) throw unavailable(`pip could not download ${wheel}: ${output.trim().split('\n').slice(-3).join(' ')}`)
}

/** Takes out of the wheel what a C++ program needs of it, and removes it. */
async function unpack(folder: string): Promise<void> {
  const wheel = (await readdir(folder)).find(name => name.endsWith('.whl'))!
  const program = `import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.startswith(("tensorflow/libtensorflow_", "tensorflow/include/", "nvidia/")) and not name.endswith(".py"):
            path = wheel.extract(name, sys.argv[2])
            if "/bin/" in name: os.chmod(path, 0o755)`
  const { code, output } = await execute('python3', ['-c', program, join(folder, wheel), folder])
  if (code !== 0) throw unavailable(`the wheel could not be unpacked: ${output.trim().split('\n').at(-1)}`)
  await rm(join(folder, wheel))
}

async function compile(folder: string, variant: NativeVariant): Promise<void> {
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
    `-Wl,-rpath,${join(nativeFolder(variant), 'tensorflow')}`,
  ])
  if (code !== 0) throw unavailable(`g++ failed: ${output.trim().split('\n').slice(-5).join('\n')}`)
  const made = { wheels: VARIANTS[variant].wheels.map(([name]) => name), node: process.version, arch: process.arch }
  await writeFile(join(folder, 'made.json'), `${JSON.stringify(made)}\n`)
}

function unavailable(message: string): UprezError {
  return new UprezError('engine-unavailable', message, { param: 'engine', expected: 'tensorflow, made by `uprez setup tensorflow`' })
}
