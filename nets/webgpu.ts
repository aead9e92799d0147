import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { replaceFolder } from '../atomic.js'
import { cacheFolder } from '../cache.js'
import { UprezError } from '../errors.js'
import { setupCommand } from '../setup-command.js'
import { fetchPackage, unpackPackage } from './npm-package.js'
import { tryEngine } from './try-engine.js'

/**
 * WebGPU outside a browser: Dawn, Chromium's implementation of it, as npm's `webgpu` brings it. That package holds the libraries of
 * five platforms (130 MB), so it is no dependency: `uprez setup webgpu` puts this platform's into the cache folder.
 */
const PACKAGE = 'webgpu@0.6.2'
const SHA512 = '3L4GfmqJLvYUIEWJngEQY+2HQiUlAFkg8+P8NDDj3Xx5hHHIFO/r8JW+ynfqBj7kHN4mbnwO74uB+lrRtLhp4Q=='
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-universal', 'win32-x64', 'win32-arm64']
const require = createRequire(import.meta.url)

/** What of WebGPU is looked at here; tfjs uses the rest. */
interface Gpu {
  requestAdapter(): Promise<{ info: { vendor: string; description: string; isFallbackAdapter: boolean } } | null>
}

export interface Adapter {
  gpu: Gpu
  /** Vendor and name, as the driver tells them. */
  name: string
  /** Computed on the CPU: slower than wasm, for tests. */
  software: boolean
}

export function webgpuFolder(): string {
  return join(cacheFolder(), PACKAGE.replace('@', '-'))
}

/** Dawn, or undefined where `setup webgpu` has not been run. */
export function dawnAddon(): string | undefined {
  const file = join(webgpuFolder(), 'dawn.node')
  return existsSync(file) ? file : undefined
}

/**
 * Fetches Dawn and probes it with one convolution. Does nothing where it stands already.
 * @param say receives one line per stage
 * @throws UprezError `engine-unavailable` naming what failed
 */
export async function setupWebgpu(say: (line: string) => void): Promise<'ready' | 'made'> {
  const platform = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`
  if (!PLATFORMS.includes(platform)) {
    throw unavailable(`${PACKAGE} is made for ${PLATFORMS.join(', ')}, not ${platform}; use --engine wasm`)
  }
  const outcome = dawnAddon() ? 'ready' : 'made'
  if (outcome === 'made') {
    say(`downloading ${PACKAGE} with npm (51 MB)`)
    const files = unpackPackage(await fetchPackage(PACKAGE, SHA512, unavailable))
    say(`unpacking its library for ${platform} (20 MB)`)
    const wanted = [...files].filter(([name]) => name.startsWith(`package/dist/${platform}/`) || name === 'package/LICENSE.md')
    await replaceFolder(webgpuFolder(), async folder => {
      for (const [name, bytes] of wanted) await writeFile(join(folder, basename(name)), bytes)
    })
  }
  const { trouble, device } = await tryEngine('webgpu')
  if (trouble !== undefined) say(`but it cannot train yet: ${trouble}`)
  else if (outcome === 'made') say(`one convolution came out right, on ${device}`)
  return outcome
}

/**
 * The graphics adapter that Dawn chooses; undefined where none answers.
 * @throws UprezError `engine-unavailable` where Dawn is not set up or cannot be loaded
 */
export async function findAdapter(): Promise<Adapter | undefined> {
  const { create } = loadDawn()
  const gpu = create([])
  const adapter = await gpu.requestAdapter()
  if (!adapter) return undefined
  const { vendor, description, isFallbackAdapter } = adapter.info
  return { gpu, name: `${vendor}: ${description}`, software: isFallbackAdapter }
}

/**
 * Gives this process what a browser gives a page. tfjs' backend looks for it while it is loaded.
 * @throws UprezError `engine-unavailable` with what is missing
 */
export async function provideWebgpu(): Promise<void> {
  const adapter = await findAdapter()
  if (!adapter) {
    throw unavailable(`no graphics adapter answers: a driver is missing${process.platform === 'linux' ? ' (Vulkan; and libvulkan1)' : ''}`)
  }
  Object.assign(globalThis, loadDawn().globals)
  const { navigator = {} } = globalThis as { navigator?: object }
  Object.defineProperty(navigator, 'gpu', { value: adapter.gpu, configurable: true })
  // Node 20 has no navigator.
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
}

function loadDawn(): { create(options: string[]): Gpu; globals: object } {
  const addon = dawnAddon()
  if (!addon) throw unavailable(`WebGPU is not set up; run \`${setupCommand('webgpu')}\`, or use --engine wasm`)
  try {
    return require(addon)
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw unavailable(`WebGPU cannot be loaded: ${reason}; remove ${webgpuFolder()} and run \`${setupCommand('webgpu')}\` again`, cause)
  }
}

function unavailable(message: string, cause?: unknown): UprezError {
  return new UprezError('engine-unavailable', message, { param: 'engine', expected: 'webgpu, made by `uprez setup webgpu`', cause })
}
