import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { UprezError } from '../errors.js'
import { execute } from '../execute.js'
import { tryEngine } from '../nets/try-engine.js'
import { installCommand, setupCommand } from '../setup-command.js'

/** One thing that works on this machine, or does not. */
export interface Check {
  name: string
  /** `missing`: an extra that is not there; `broken`: something the product needs. */
  state: 'works' | 'missing' | 'broken'
  /** What was found, or why it does not work. */
  detail: string
  /** How to get it. */
  fix?: string
}

const OLDEST_NODE = [20, 19]

/** Looks at everything uprez can use. Each look really runs the thing; none needs the network. */
export async function runChecks(): Promise<Check[]> {
  const [upscaling, ...rest] = await Promise.all([
    serving(),
    page(),
    trainingEngine('wasm'),
    trainingEngine('tensorflow'),
    trainingEngine('webgpu'),
  ])
  // By themselves, since they are timed.
  return [node(), await machine(), upscaling, ...(await providers()), ...rest]
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const ok = major > OLDEST_NODE[0]! || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]!)
  return {
    name: 'Node.js',
    state: ok ? 'works' : 'broken',
    detail: `${process.version} on ${process.platform} ${process.arch}`,
    ...(ok ? {} : { fix: `install Node.js ${OLDEST_NODE.join('.')} or newer` }),
  }
}

async function machine(): Promise<Check> {
  const [{ cpusAllowed }, { memoryAllowed }] = await Promise.all([import('../infer/cpus.js'), import('../infer/memory.js')])
  const free = await statfs(tmpdir())
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  return {
    name: 'machine',
    state: 'works',
    detail: `${cpusAllowed()} CPUs, ${gib(memoryAllowed())} of memory, ${gib(free.bavail * free.bsize)} free in ${tmpdir()}`,
  }
}

/** Upscales a small drawn picture with every model that is found: decoder, ONNX Runtime, encoder and model files at once. */
async function serving(): Promise<Check> {
  const name = 'upscaling (CPU)'
  try {
    const [{ startEngine }, { listModels }, { sharp }] = await Promise.all([
      import('../infer/engine.js'),
      import('../models/catalog.js'),
      import('../infer/sharp.js'),
    ])
    const models = await listModels()
    if (models.length === 0)
      return { name, state: 'broken', detail: 'no model was found', fix: 'put one into ./models, or name its folder in UPREZ_MODELS' }
    const bytes = await sharp({ create: { width: 32, height: 24, channels: 3, background: '#4080c0' } })
      .png()
      .toBuffer()
    const engine = await startEngine()
    try {
      const lines = []
      for (const { card, folder } of models) {
        const { width, height, provider } = await engine.upscale({ input: { bytes }, model: folder, format: 'png', tile: 0 })
        lines.push(`${card.id}: 32×24 → ${width}×${height} on ${provider}`)
      }
      return { name, state: 'works', detail: lines.join('; ') }
    } finally {
      await engine.close()
    }
  } catch (error) {
    // What says what would be right needs no other fix; what cannot even be loaded is not installed.
    const ours = error instanceof UprezError && error.code !== 'engine-crashed'
    return { name, state: 'broken', detail: firstLine(error), ...(ours ? {} : { fix: installCommand }) }
  }
}

/** Upscales a tile with every provider that a graphics card may have, and says which of them is chosen where none is named. */
async function providers(): Promise<Check[]> {
  const [{ chooseProvider, describeChoice, readProvider, tryProvider }, { DEFAULT_MODEL, findModel }] = await Promise.all([
    import('../infer/providers.js'),
    import('../models/catalog.js'),
  ])
  const checks: Check[] = []
  const chosen = `upscaling (${process.env.UPREZ_PROVIDER || 'auto'})`
  try {
    const sample = { folder: (await findModel(DEFAULT_MODEL)).folder, precision: 'fp32' } as const
    for (const [name, provider] of [
      ['upscaling on CUDA', 'cuda'],
      ['upscaling on WebGPU', 'webgpu'],
    ] as const) {
      const { works, reason, fix, milliseconds } = (await tryProvider(provider, [0], sample)).report
      const detail = reason ?? `a tile came out right, in ${milliseconds!.toFixed(1)} ms`
      checks.push({ name, state: works ? 'works' : 'missing', detail, ...(fix === undefined ? {} : { fix }) })
    }
    const choice = await chooseProvider(readProvider(undefined), sample)
    return [...checks, { name: chosen, state: 'works', detail: `computes on ${describeChoice(choice)}` }]
  } catch (error) {
    return [...checks, { name: chosen, state: 'broken', detail: firstLine(error), fix: 'another UPREZ_PROVIDER' }]
  }
}

function page(): Check {
  const built = existsSync(fileURLToPath(new URL('../page/index.html', import.meta.url)))
  return built
    ? { name: 'the page', state: 'works', detail: 'built' }
    : { name: 'the page', state: 'missing', detail: 'not built yet', fix: 'npm start, or npm run build' }
}

const ENGINES = {
  wasm: { name: 'training on wasm', fix: async () => installCommand },
  tensorflow: { name: 'training on native TensorFlow', fix: nativeFix },
  webgpu: { name: 'training on WebGPU', fix: async () => `${setupCommand('webgpu')} (51 MB), and a graphics card with its driver` },
}

async function trainingEngine(engine: keyof typeof ENGINES): Promise<Check> {
  const { name, fix } = ENGINES[engine]
  const { trouble, device } = await tryEngine(engine)
  if (trouble === undefined) return { name, state: 'works', detail: `one convolution came out right, on ${device}` }
  return { name, state: 'missing', detail: trouble, fix: await fix() }
}

async function nativeFix(): Promise<string> {
  if (process.platform !== 'linux') return 'only made for Linux; wasm works here'
  const wanted = [
    ['python3', 'python3 python3-pip'],
    ['g++', 'g++'],
  ] as const
  const missing = []
  for (const [tool, apt] of wanted) if ((await execute(tool, ['--version'])).code !== 0) missing.push(apt)
  const first = missing.length > 0 ? `apt install ${missing.join(' ')}, then ` : ''
  return `${first}${setupCommand('tensorflow')} (270 MB; several times as fast as wasm)`
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!
}
