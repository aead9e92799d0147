import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Precision } from '../models/precision.js'
import { cpusAllowed } from './cpus.js'
import { type CudaRuntime, cudaFix, cudaRuntime, missingForCuda, SETUP, whyNoCuda } from './cuda.js'
import { proveProvider } from './prove-provider.js'

/** What ONNX Runtime computes with here: what is asked for, what works, and why the rest does not. Loads no ONNX Runtime. */

/** Those of onnxruntime-node, and the platforms its package has them for. */
const OFFERED = {
  cpu: ['linux-x64', 'linux-arm64', 'win32-x64', 'win32-arm64', 'darwin-arm64'],
  cuda: ['linux-x64'],
  webgpu: ['linux-x64', 'win32-x64', 'win32-arm64', 'darwin-arm64'],
  dml: ['win32-x64', 'win32-arm64'],
  coreml: ['darwin-arm64'],
}

export type Provider = keyof typeof OFFERED
export const PROVIDERS = Object.keys(OFFERED) as Provider[]

/** What an engine computes with. */
export interface Execution {
  provider: Provider
  /** Numbers of the graphics cards, one ORT thread each; none on the CPU. */
  devices: number[]
  /** The copy of ONNX Runtime that has the provider, where it is not the installed one. */
  runtime?: CudaRuntime
}

export const ON_CPU: Execution = { provider: 'cpu', devices: [] }

/** What was found out about one provider. */
export interface ProviderReport {
  provider: Provider
  works: boolean
  /** Why it does not, or why it is not used. */
  reason?: string
  fix?: string
  /** One tile of the model, once it is warm. */
  milliseconds?: number
}

/** What is computed with, and what was looked at to find it. */
export interface Choice {
  execution: Execution
  reports: ProviderReport[]
}

/** What was asked for: a provider, any graphics card (`gpu`), or what is best (`auto`). */
export interface Asked {
  name: Provider | 'gpu' | 'auto'
  devices: number[]
  /** The option or variable it came from, and what that said. */
  param: string
  text: string
}

/** The model that a provider is proven with. */
export interface Sample {
  folder: string
  precision: Precision
}

/**
 * What the caller asks for, else what UPREZ_PROVIDER says, else `auto`: a provider's name, and for `cuda`, `dml` and `gpu` the cards'
 * numbers: `cuda:0,1`. `gpu` is any provider but the CPU.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readProvider(asked: string | undefined, environment: NodeJS.ProcessEnv = process.env): Asked {
  const [param, text] = asked === undefined ? ['UPREZ_PROVIDER', environment.UPREZ_PROVIDER || 'auto'] : ['provider', asked]
  const [, name, numbers] = /^(\w+)(?::(\d{1,3}(?:,\d{1,3})*))?$/.exec(text) ?? []
  const known = ASKED.find(known => known === name)
  const numbered = known === 'gpu' || known === 'cuda' || known === 'dml'
  if (known !== undefined && (numbers === undefined || numbered)) {
    return { name: known, devices: numbers?.split(',').map(Number) ?? [0], param, text }
  }
  const expected = `one of ${ASKED.join(', ')} (cuda:0,1 for several cards)`
  throw new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${text}`, { param, expected, got: text })
}

const ASKED = ['auto', ...PROVIDERS, 'gpu'] as const

/**
 * Finds what to compute with. Whatever is not the CPU is proven: a child process runs a tile of the model with it, and the answer is
 * compared with the CPU's. Where there is no graphics card, `auto` starts nothing.
 * @throws UprezError `provider-unavailable` where what was asked for by name does not work: why, and the fix
 */
export async function chooseProvider(asked: Asked, sample: Sample, machine = thisMachine()): Promise<Choice> {
  const { name } = asked
  const reports: ProviderReport[] = []
  for (const provider of candidates(asked, machine)) {
    const absent = name === 'auto' ? absentCard(provider, machine) : undefined
    if (absent !== undefined) {
      reports.push({ provider, works: false, reason: absent })
      continue
    }
    const { execution, report, cpuMilliseconds } = await tryProvider(provider, asked.devices, sample, machine)
    // All cores beside each other: an ORT thread has one.
    const rival = cpuMilliseconds / machine.cpus
    const slow = name === 'auto' && provider !== 'cuda' && report.milliseconds! >= rival
    reports.push(slow ? { ...report, reason: `slower than the CPU (${inMs(report.milliseconds!)} a tile, ${inMs(rival)})` } : report)
    if (execution && !slow) return { execution, reports }
  }
  if (name === 'auto' || name === 'cpu') return { execution: ON_CPU, reports }
  throw unavailable(asked, reports)
}

function candidates({ name, devices }: Asked, { platform }: Machine): Provider[] {
  if (name === 'cpu') return []
  if (name !== 'auto' && name !== 'gpu') return [name]
  // WebGPU chooses the card itself.
  const gpus: Provider[] = devices.every(device => device === 0) ? ['cuda', 'webgpu'] : ['cuda']
  return gpus.filter(provider => OFFERED[provider].includes(platform))
}

function unavailable({ param, text }: Asked, reports: readonly ProviderReport[]): UprezError {
  const why = reports.map(describeReport).join('; ') || 'there is none for this platform'
  const expected = 'a provider that works here, cpu or auto'
  return new UprezError('provider-unavailable', `Expected ${expected} for ${param} but received ${text}; ${why}`, {
    param,
    expected,
    got: text,
  })
}

/** One line for who starts it: what runs, and why not the others. */
export function describeChoice({ execution: { provider, devices }, reports }: Choice): string {
  const cards = provider === 'cuda' || provider === 'dml' ? ` (card ${devices.join(', ')})` : ''
  const others = reports.filter(report => report.provider !== provider).map(describeReport)
  return [`${provider}${cards}`, ...others].join('; ')
}

export function describeReport({ provider, reason, fix, milliseconds }: ProviderReport): string {
  return `${provider}: ${reason ?? `a tile in ${inMs(milliseconds!)}`}${fix === undefined ? '' : ` (${fix})`}`
}

/** For /metrics: what was looked at and works is 1, what does not is 0. */
export function providerReadings({ execution, reports }: Choice): (readonly [{ provider: Provider }, number])[] {
  const works = new Map(reports.map(({ provider, works }) => [provider, works]))
  works.set(execution.provider, true)
  return [...works].map(([provider, works]) => [{ provider }, Number(works)] as const)
}

/** Proves one provider on these cards, whether or not there seem to be any. */
export async function tryProvider(
  provider: Provider,
  devices: readonly number[],
  sample: Sample,
  { prove, platform }: Machine = thisMachine(),
): Promise<{ execution: Execution | undefined; report: ProviderReport; cpuMilliseconds: number }> {
  if (!OFFERED[provider].includes(platform)) return refused(provider, `not made for ${platform}`)
  const runtime = provider === 'cuda' ? cudaRuntime() : undefined
  if (provider === 'cuda' && !runtime) return refused(provider, await whyNoCuda(), SETUP)
  const execution: Execution = { provider, devices: [...devices], ...(runtime ? { runtime } : {}) }
  const slowest = { milliseconds: 0, cpuMilliseconds: 0 }
  for (const device of devices) {
    const proof = await prove(execution, device, sample)
    if (!proof.works) {
      const missing = runtime ? await missingForCuda(runtime) : []
      const where = devices.length > 1 ? `card ${device}: ` : ''
      const reason = missing.length > 0 ? `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing` : proof.reason
      return refused(provider, where + reason, /adapter/.test(reason) ? DRIVER : cudaFix(missing))
    }
    slowest.milliseconds = Math.max(slowest.milliseconds, proof.milliseconds)
    slowest.cpuMilliseconds = Math.max(slowest.cpuMilliseconds, proof.cpuMilliseconds)
  }
  const { milliseconds, cpuMilliseconds } = slowest
  return { execution, report: { provider, works: true, milliseconds }, cpuMilliseconds }
}

/** What WebGPU may lack. */
const DRIVER = "a graphics card with its driver; on Linux Vulkan's, and libvulkan1"

function refused(provider: Provider, reason: string, fix?: string) {
  const report: ProviderReport = { provider, works: false, reason, ...(fix === undefined ? {} : { fix }) }
  return { execution: undefined, report, cpuMilliseconds: 0 }
}

/** Where it is looked; tests put others in its place. */
export interface Machine {
  /** Platform and processor, as Node names them. */
  platform: string
  /** Folder of the devices. */
  devices: string
  cpus: number
  prove: typeof proveProvider
}

const thisMachine = (): Machine => ({
  platform: `${process.platform}-${process.arch}`,
  devices: '/dev',
  cpus: cpusAllowed(),
  prove: proveProvider,
})

/** A quick look for a card that the provider could use: NVIDIA's own devices, that of Windows below Linux, others' (a render node). */
function absentCard(provider: Provider, { platform, devices }: Machine): string | undefined {
  if (!platform.startsWith('linux')) return undefined
  const nvidia = namesIn(devices).some(name => /^(nvidia\d+|dxg)$/.test(name))
  if (provider === 'cuda') return nvidia ? undefined : 'no NVIDIA card'
  const any = nvidia || namesIn(join(devices, 'dri')).some(name => name.startsWith('renderD'))
  return any ? undefined : 'no graphics card'
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const inMs = (milliseconds: number): string => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`
