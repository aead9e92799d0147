import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { copyFile, cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { replaceFolder } from '../atomic.js'
import { cacheFolder } from '../cache.js'
import { UprezError } from '../errors.js'
import { execute } from '../execute.js'
import { setupCommand } from '../setup-command.js'
import { demandSpace, linkedLibraries, megabytesOf, unpackWheels, unpackZip, type Wheel } from '../wheels.js'

/**
 * ONNX Runtime on NVIDIA's cards: a copy of the installed onnxruntime-node with the CUDA provider of the same version beside it, and
 * NVIDIA's libraries, in a folder of the user's cache. node_modules is never touched.
 *
 *     onnxruntime-cuda-1.30.0/node_modules/onnxruntime-node/bin/…   the copy, and libonnxruntime_providers_{cuda,shared}.so
 *                             node_modules/onnxruntime-common/
 *                             nvidia/…                              cuBLAS, cuDNN and so on, unless the system has them
 *                             made.json
 */
export interface CudaRuntime {
  /** Where onnxruntime-node is loaded from; undefined: the installed one, whose own installer may have fetched the provider. */
  folder: string | undefined
  /** Where NVIDIA's libraries are, whole paths. */
  libraries: string[]
}

const PROVIDERS = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so']

/** NVIDIA's libraries, by CUDA's major version. cuFFT is not among them: ONNX Runtime needs it for Fourier transforms only. */
const NVIDIA: Record<string, Wheel[]> = {
  12: [
    ['nvidia-cuda-runtime-cu12==12.9.79', 3],
    ['nvidia-cuda-nvrtc-cu12==12.9.86', 90],
    ['nvidia-cublas-cu12==12.9.3.13', 581],
    ['nvidia-curand-cu12==10.3.10.19', 68],
    ['nvidia-cudnn-cu12==9.28.0.42', 717],
  ],
  13: [
    ['nvidia-cuda-runtime==13.0.96', 3],
    ['nvidia-cuda-nvrtc==13.0.88', 91],
    ['nvidia-cublas==13.1.0.3', 424],
    ['nvidia-curand==10.4.0.35', 60],
    ['nvidia-cudnn-cu13==9.28.0.42', 517],
  ],
}

/** The driver's, which no package brings. */
const DRIVER = 'libcuda.so.1'
/** Not linked to the provider: it looks for it when the first convolution comes. */
const CUDNN = 'libcudnn.so.9'

const require = createRequire(import.meta.url)

export function cudaFolder(version = onnxruntimeVersion()): string {
  return join(cacheFolder(), `onnxruntime-cuda-${version}`)
}

/** What there is for the installed version: what `setup cuda` has made, else the package itself where it has the provider. */
export function cudaRuntime(): CudaRuntime | undefined {
  return setUp() ?? (hasProvider(undefined) ? { folder: undefined, libraries: [] } : undefined)
}

function setUp(): CudaRuntime | undefined {
  const folder = cudaFolder()
  if (!hasProvider(folder)) return undefined
  try {
    const { libraries } = JSON.parse(readFileSync(join(folder, 'made.json'), 'utf8')) as { libraries: string[] }
    return { folder, libraries: libraries.map(name => join(folder, name)) }
  } catch {
    return undefined
  }
}

const hasProvider = (folder: string | undefined): boolean => PROVIDERS.every(name => existsSync(join(binaries(folder), name)))

/** Names of the libraries that are not found here, the driver's included. */
export async function missingForCuda({ folder, libraries }: CudaRuntime): Promise<string[]> {
  const linked = await linkedLibraries([join(binaries(folder), PROVIDERS[0]!)], libraries)
  const missing = [...linked].filter(([, found]) => !found).map(([name]) => name)
  return (await hasCudnn(libraries)) ? missing : [...missing, CUDNN]
}

/** How to get what is missing. */
export function cudaFix(missing: readonly string[]): string | undefined {
  const fixes = [missing.some(name => name !== DRIVER) ? SETUP : [], missing.includes(DRIVER) ? "install NVIDIA's driver" : []].flat()
  return fixes.length > 0 ? fixes.join('; ') : undefined
}

export const SETUP = setupCommand('cuda')

/** Why `cudaRuntime` is undefined. */
export async function whyNoCuda(): Promise<string> {
  const prefix = basename(cudaFolder('x')).slice(0, -1)
  const others = (await readdir(cacheFolder()).catch(() => []))
    .filter(name => name.startsWith(prefix))
    .map(name => name.slice(prefix.length))
  const version = onnxruntimeVersion()
  return others.length === 0 || others.includes(version)
    ? 'not installed'
    : `set up for ${others.join(', ')}, but onnxruntime-node is ${version}`
}

/**
 * Makes it. Does nothing where it stands already and finds its libraries.
 * @param say receives one line per stage
 * @param from a wheel of onnxruntime-gpu, a NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux, or a folder with the provider's two files;
 * without it, pip fetches the wheel
 * @throws UprezError `provider-unavailable` naming what is missing or does not fit; `no-space`, `no-input`
 */
export async function setupCuda(say: (line: string) => void, from?: string): Promise<'ready' | 'made'> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw unavailable(`this provider is made for Linux on x64, not ${process.platform} ${process.arch}; use --provider webgpu`)
  }
  const ready = from === undefined ? setUp() : undefined
  if (ready !== undefined && (await missingForCuda(ready)).every(name => name === DRIVER)) return 'ready'
  if ((await execute('python3', ['--version'])).code !== 0) throw unavailable('python3 was not found; apt install python3 python3-pip')
  const version = onnxruntimeVersion()
  await mkdir(cacheFolder(), { recursive: true })
  await demandSpace(cacheFolder(), from === undefined ? WHEEL_GB + PROVIDER_GB : PROVIDER_GB)
  await replaceFolder(cudaFolder(), async folder => {
    await placeProvider(folder, version, say, from)
    const libraries = await placeLibraries(folder, say)
    await copyPackage(folder)
    await writeFile(join(folder, 'made.json'), `${JSON.stringify({ onnxruntime: version, libraries })}\n`)
  })
  const missing = (await missingForCuda(setUp()!)).filter(name => name !== DRIVER)
  if (missing.length > 0) throw unavailable(`libraries that are still missing: ${missing.join(', ')}`)
  return 'made'
}

const PROVIDER_GB = 0.4
const WHEEL_GB = 0.3
/** Unpacked, beside the largest wheel. */
const NVIDIA_GB = 2.5

/** The version of the installed package, which the provider must have too. */
export function onnxruntimeVersion(): string {
  return (JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'), 'utf8')) as { version: string }).version
}

const installed = (): string => dirname(require.resolve('onnxruntime-node/package.json'))
const packageIn = (folder: string | undefined): string =>
  folder === undefined ? installed() : join(folder, 'node_modules', 'onnxruntime-node')

/** Where the package keeps this platform's libraries. */
const PLATFORM = join('bin', 'napi-v6', process.platform, process.arch)
const binaries = (folder: string | undefined): string => join(packageIn(folder), PLATFORM)

async function copyPackage(folder: string): Promise<void> {
  const source = installed()
  for (const part of ['package.json', 'dist', PLATFORM]) await cp(join(source, part), join(packageIn(folder), part), { recursive: true })
  const common = createRequire(join(source, 'package.json')).resolve('onnxruntime-common')
  // From dist/cjs/index.js.
  await cp(dirname(dirname(dirname(common))), join(folder, 'node_modules', 'onnxruntime-common'), { recursive: true })
}

async function placeProvider(folder: string, version: string, say: (line: string) => void, from: string | undefined): Promise<void> {
  const place = join(folder, 'provider')
  await mkdir(place)
  await mkdir(binaries(folder), { recursive: true })
  const wanted = ['onnxruntime/capi/libonnxruntime_providers_', 'runtimes/linux-x64/native/libonnxruntime_providers_']
  const kind = from === undefined ? undefined : await stat(from).catch(cause => noInput(from, cause))
  if (from === undefined) await unpackWheels([[`onnxruntime-gpu==${version}`, 247]], place, wanted, { say, failed: unavailable })
  else if (kind?.isFile()) await unpackZip(from, place, wanted, unavailable)
  const files = await readdir(kind?.isDirectory() ? from! : place, { recursive: true, withFileTypes: true })
  for (const name of PROVIDERS) {
    const file = files.find(file => file.name === name)
    if (!file) throw unavailable(`${from ?? `onnxruntime-gpu ${version}`} does not hold ${name}`)
    await copyFile(join(file.parentPath, name), join(binaries(folder), name))
  }
  await checkVersion(join(binaries(folder), PROVIDERS[0]!), version)
  await rm(place, { recursive: true })
}

/** The provider has its version in it, as a text of its own. */
async function checkVersion(file: string, version: string): Promise<void> {
  const found = new Set<string>()
  let tail = ''
  for await (const chunk of createReadStream(file, { encoding: 'latin1', highWaterMark: 1 << 20 })) {
    const text = tail + chunk
    for (const [, version] of text.matchAll(/\0(\d+\.\d+\.\d+)(?=\0)/g)) found.add(version!)
    tail = text.slice(-32)
  }
  if (found.has(version)) return
  throw unavailable(
    `the CUDA provider is of version ${[...found].join(' or ') || 'unknown'}, but onnxruntime-node is ${version}: they must be the same`,
  )
}

/** Fetches NVIDIA's libraries unless the system has them all. @returns the folders that they are in, relative */
async function placeLibraries(folder: string, say: (line: string) => void): Promise<string[]> {
  const linked = await linkedLibraries([join(binaries(folder), PROVIDERS[0]!)])
  const missing = [...linked].filter(([name, found]) => !found && name !== DRIVER)
  if (missing.length === 0 && (await hasCudnn([]))) return []
  const major = [...linked.keys()].map(name => /^libcudart\.so\.(\d+)$/.exec(name)?.[1]).find(major => major !== undefined)
  const wheels = NVIDIA[major ?? '']
  if (!wheels) throw unavailable(`the CUDA provider is for CUDA ${major ?? '?'}; expected one for ${Object.keys(NVIDIA).join(' or ')}`)
  await demandSpace(folder, NVIDIA_GB)
  say(`the provider is for CUDA ${major}; ${megabytesOf(wheels)} MB of NVIDIA's libraries will be downloaded`)
  await unpackWheels(wheels, folder, ['nvidia/'], { say, failed: unavailable })
  const files = await readdir(join(folder, 'nvidia'), { recursive: true })
  return [...new Set(files.filter(name => /\.so[.\d]*$/.test(name)).map(name => join('nvidia', dirname(name))))].sort()
}

async function hasCudnn(libraries: readonly string[]): Promise<boolean> {
  const folders = [...libraries, ...(process.env.LD_LIBRARY_PATH ?? '').split(delimiter)]
  if (folders.some(folder => folder !== '' && existsSync(join(folder, CUDNN)))) return true
  return (await execute('ldconfig', ['-p'])).stdout.includes(CUDNN)
}

function noInput(path: string, cause: Error): never {
  throw new UprezError('no-input', `--from: ${path} cannot be read: ${cause.message}`, {
    param: 'from',
    expected: 'a file or folder',
    got: path,
    cause,
  })
}

function unavailable(message: string): UprezError {
  return new UprezError('provider-unavailable', message, { param: 'provider' })
}
