import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { replaceFolder } from '../atomic.js'
import { cacheFolder } from '../cache.js'
import { UprezError } from '../errors.js'
import { execute } from '../execute.js'
import { demandSpace, linkedLibraries, megabytesOf, unpackWheels, type Wheel } from '../wheels.js'
import { tryEngine } from './try-engine.js'

/**
 * The native TensorFlow engine: a current TensorFlow's shared libraries (from its Python wheel; no Python
 * runs afterwards) and the addon of tfjs-node compiled against them, both in a folder of the user's cache.
 * node_modules is never touched.
 */

const TENSORFLOW = '2.21.0'

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

export function nativeFolder(variant: NativeVariant = 'cpu'): string {
  return join(cacheFolder(), VARIANTS[variant].folder)
}

/** The compiled addon of a variant, or else CUDA's where there is one; undefined where `setup tensorflow` has not made it. */
export function nativeAddon(variant?: NativeVariant): string | undefined {
  const variants: NativeVariant[] = variant ? [variant] : ['cuda', 'cpu']
  return variants.map(variant => join(nativeFolder(variant), 'tfjs_binding.node')).find(existsSync)
}

/**
 * Makes a variant of the native engine and probes that one, whichever else is there, with one convolution. Does nothing where
 * the probe already passes.
 * @param say receives one line per stage
 * @throws UprezError `engine-unavailable` naming what is missing and how to get it; `no-space`
 */
export async function setupNative(say: (line: string) => void, variant: NativeVariant = 'cpu'): Promise<'ready' | 'made'> {
  const { wheels, size, processors } = VARIANTS[variant]
  if (process.platform !== 'linux' || !processors.includes(process.arch)) {
    const where = `Linux on ${processors.join(' or ')}`
    throw unavailable(`this engine is made for ${where}, not ${process.platform} ${process.arch}; use --engine webgpu or wasm`)
  }
  if (nativeAddon(variant)) {
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
  await demandSpace(cacheFolder(), size + Math.max(...wheels.map(([, megabytes]) => megabytes)) / 1000)
  say(`${megabytesOf(wheels)} MB will be downloaded, ${size} GB stay in ${nativeFolder(variant)}`)
  await replaceFolder(nativeFolder(variant), async folder => {
    const wanted = ['tensorflow/libtensorflow_', 'tensorflow/include/', 'nvidia/']
    await unpackWheels(wheels, folder, wanted, { say, failed: unavailable })
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
  const { trouble, device } = await tryEngine('tensorflow', variant)
  if (trouble === undefined && variant === 'cuda') say(`one convolution came out right, on the ${device}`)
  return trouble
}

/** What can be told of CUDA without a GPU, and that no more was. */
async function cudaFacts(): Promise<string[]> {
  const libraries = join(nativeFolder('cuda'), 'nvidia')
  const files = (await readdir(libraries, { recursive: true })).filter(name => /\/lib\/[^/]*\.so[.\d]*$/.test(name))
  const linked = await linkedLibraries(files.map(name => join(libraries, name)))
  // That one is the driver's.
  const missing = [...linked].filter(([name, found]) => !found && name !== 'libcuda.so.1').map(([name]) => name)
  const gpu = await execute('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'])
  return [
    gpu.code === 0 ? `GPU and driver: ${gpu.output.trim()}` : 'no NVIDIA driver answers (nvidia-smi): it will compute on the CPU',
    missing.length === 0 ? `${files.length} CUDA libraries find one another` : `libraries that are missing: ${missing.join(', ')}`,
    'uprez has not been run on a GPU yet: compare the first losses with those of --engine wasm',
  ]
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
  return new UprezError('engine-unavailable', message, { param: 'engine' })
}
