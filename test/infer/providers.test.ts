import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cudaFolder, onnxruntimeVersion } from '../../infer/cuda.js'
import { startEngine } from '../../infer/engine.js'
import { type Proof, proveProvider } from '../../infer/prove-provider.js'
import { chooseProvider, describeChoice, type Execution, providerReadings, readProvider, tryProvider } from '../../infer/providers.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { unpackSwiftshader } from '../support/swiftshader.js'
import { pixelsOf, raw } from './pictures.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-providers-'))
const environment = { ...process.env }
const sample = { folder: join(folder, 'tiny'), precision: 'fp32' } as const
before(async () => {
  process.env.UPREZ_CACHE = join(folder, 'cache')
  const { dir } = await writeModel(folder, { id: 'tiny', kind: 'network', depth: 2, channels: 4 })
  // A window of this size only, so that a driver without a card has little to do.
  const card = JSON.parse(await readFile(join(dir, 'card.json'), 'utf8'))
  await writeFile(join(dir, 'card.json'), JSON.stringify({ ...card, fixedSize: { width: 24, height: 24 } }))
})
after(async () => {
  process.env = environment
  await rm(folder, { recursive: true })
})

describe('what is asked for', () => {
  it('is the option, else the variable, else auto', () => {
    assert.deepEqual(readProvider(undefined, {}), { name: 'auto', devices: [0], param: 'UPREZ_PROVIDER', text: 'auto' })
    assert.deepEqual(readProvider(undefined, { UPREZ_PROVIDER: 'cuda:1' }).devices, [1])
    assert.deepEqual(readProvider('gpu:0,2', { UPREZ_PROVIDER: 'cpu' }), {
      name: 'gpu',
      devices: [0, 2],
      param: 'provider',
      text: 'gpu:0,2',
    })
  })

  it('is refused where there is no such thing', () => {
    for (const text of ['', 'cuad', 'cpu:0', 'webgpu:1', 'auto:0', 'cuda:', 'cuda:a', 'cuda:0,', 'constructor', 'CUDA']) {
      assert.throws(() => readProvider(text, {}), { code: 'invalid-option', param: 'provider', got: text })
    }
    assert.throws(() => readProvider(undefined, { UPREZ_PROVIDER: 'gpu ' }), { code: 'invalid-option', param: 'UPREZ_PROVIDER' })
  })
})

describe('the choice', () => {
  const fast: Proof = { works: true, milliseconds: 2, cpuMilliseconds: 40 }
  const slow: Proof = { works: true, milliseconds: 12, cpuMilliseconds: 40 }
  const broken: Proof = { works: false, reason: 'its answer is wrong' }

  /** A machine of four cores with these devices, where providers prove to be so. */
  async function machine(devices: string[], proofs: Partial<Record<string, Proof>>, platform = 'linux-x64') {
    const place = await mkdtemp(join(folder, 'dev-'))
    for (const device of devices) await mkdir(join(place, device), { recursive: true })
    const proven: string[] = []
    const prove = async ({ provider }: Execution, device: number) => {
      proven.push(`${provider} ${device}`)
      return proofs[provider] ?? assert.fail(`${provider} was tried`)
    }
    return { platform, devices: place, cpus: 4, prove, proven }
  }

  /** What `setup cuda` leaves. */
  async function installCuda(version = onnxruntimeVersion()): Promise<string> {
    const made = cudaFolder(version)
    const binaries = join(made, 'node_modules/onnxruntime-node/bin/napi-v6', process.platform, process.arch)
    await mkdir(binaries, { recursive: true })
    for (const name of ['cuda', 'shared']) await writeFile(join(binaries, `libonnxruntime_providers_${name}.so`), '')
    await writeFile(join(made, 'made.json'), '{"libraries": ["nvidia/cudnn/lib"]}')
    return made
  }

  const auto = readProvider('auto')
  const uninstall = () => rm(join(folder, 'cache'), { recursive: true, force: true })

  it('is the CPU where there is no graphics card, and nothing is started to find that out', async () => {
    await installCuda()
    for (const devices of [[], ['nvidiactl', 'dri/card0']]) {
      const choice = await chooseProvider(auto, sample, await machine(devices, {}))
      assert.equal(describeChoice(choice), 'cpu; cuda: no NVIDIA card; webgpu: no graphics card')
      assert.deepEqual(choice.execution, { provider: 'cpu', devices: [] })
    }
    await uninstall()
    assert.equal(describeChoice(await chooseProvider(auto, sample, await machine([], {}, 'linux-arm64'))), 'cpu')
  })

  it('is CUDA where it is installed and its tile comes out right, from the copy that has it', async () => {
    const made = await installCuda()
    const here = await machine(['nvidia0'], { cuda: slow })
    const choice = await chooseProvider(auto, sample, here)
    assert.deepEqual(choice.execution, {
      provider: 'cuda',
      devices: [0],
      runtime: { folder: made, libraries: [join(made, 'nvidia/cudnn/lib')] },
    })
    assert.deepEqual(choice.reports, [{ provider: 'cuda', works: true, milliseconds: 12 }])
    assert.equal(describeChoice(choice), 'cuda (card 0)')
    assert.deepEqual(here.proven, ['cuda 0'])
    await uninstall()
  })

  it('is WebGPU where that is faster than all cores of the CPU', async () => {
    const there = await machine(['nvidia0', 'dri/renderD128'], { webgpu: fast })
    const choice = await chooseProvider(auto, sample, there)
    assert.equal(describeChoice(choice), 'webgpu; cuda: not installed (npm run setup -- cuda)')
    assert.deepEqual(providerReadings(choice), [
      [{ provider: 'cuda' }, 0],
      [{ provider: 'webgpu' }, 1],
    ])
    const slower = await chooseProvider(auto, sample, await machine(['dri/renderD128'], { webgpu: slow }))
    assert.equal(describeChoice(slower), 'cpu; cuda: no NVIDIA card; webgpu: slower than the CPU (12 ms a tile, 10 ms)')
    assert.deepEqual(providerReadings(slower), [
      [{ provider: 'cuda' }, 0],
      [{ provider: 'webgpu' }, 1],
      [{ provider: 'cpu' }, 1],
    ])
    const wrong = await chooseProvider(auto, sample, await machine([], { webgpu: broken }, 'darwin-arm64'))
    assert.match(describeChoice(wrong), /^cpu; webgpu: its answer is wrong/)
  })

  it('is what was named, or an error that says why not and what would help', async () => {
    const named = async (text: string, devices: string[], proofs: Partial<Record<string, Proof>>) =>
      chooseProvider(readProvider(text), sample, await machine(devices, proofs))
    assert.deepEqual(await named('cpu', ['nvidia0'], {}), { execution: { provider: 'cpu', devices: [] }, reports: [] })
    assert.equal(describeChoice(await named('webgpu', [], { webgpu: slow })), 'webgpu')
    assert.equal(describeChoice(await named('gpu', [], { webgpu: slow })), 'webgpu; cuda: not installed (npm run setup -- cuda)')
    for (const [text, message] of [
      ['cuda', /received cuda; cuda: not installed \(npm run setup -- cuda\)/],
      ['gpu:1', /received gpu:1; cuda: not installed/],
      ['webgpu', /webgpu: its answer is wrong$/],
      ['dml', /dml: not made for linux-x64/],
    ] as const) {
      await assert.rejects(named(text, ['nvidia0'], { webgpu: broken }), {
        code: 'provider-unavailable',
        param: 'provider',
        got: text,
        message,
      })
    }
  })

  it('needs every card that was named', async () => {
    await installCuda()
    const here = await machine([], { cuda: fast })
    const { execution } = await chooseProvider(readProvider('cuda:0,3'), sample, here)
    assert.deepEqual(
      [execution.devices, here.proven],
      [
        [0, 3],
        ['cuda 0', 'cuda 3'],
      ],
    )
    const prove = async (_: Execution, device: number) => (device === 3 ? broken : fast)
    // Without a driver the missing libraries are the reason, here as well.
    await assert.rejects(chooseProvider(readProvider('cuda:0,3'), sample, { ...here, prove }), { message: /cuda: card 3: / })
    await uninstall()
  })

  it('tells a set-up for another version from none', async () => {
    await installCuda('1.2.3')
    const { report } = await tryProvider('cuda', [0], sample, await machine(['nvidia0'], {}))
    const reason = `set up for 1.2.3, but onnxruntime-node is ${onnxruntimeVersion()}`
    assert.deepEqual(report, { provider: 'cuda', works: false, reason, fix: 'npm run setup -- cuda' })
    await uninstall()
  })
})

describe('a proof', () => {
  it('runs a tile of the model in a child process', async () => {
    const proof = await proveProvider({ provider: 'cpu', devices: [0] }, 0, sample)
    assert.ok(proof.works && proof.milliseconds > 0 && proof.cpuMilliseconds > 0, JSON.stringify(proof))
  })

  it('fails with the reason, without the folders of this machine', async () => {
    const reasonOf = async (...question: Parameters<typeof proveProvider>) => {
      const proof = await proveProvider(...question)
      return proof.works ? 'works' : proof.reason
    }
    process.env.VK_ICD_FILENAMES = '/nowhere.json'
    assert.match(await reasonOf({ provider: 'webgpu', devices: [0] }, 0, sample), /^Failed to get a WebGPU adapter/)
    delete process.env.VK_ICD_FILENAMES
    assert.match(
      await reasonOf({ provider: 'cuda', devices: [0] }, 0, sample),
      /^libonnxruntime_providers_shared\.so: cannot open shared object/,
    )
    assert.equal(await reasonOf({ provider: 'cpu', devices: [0] }, 0, sample, 1), 'no answer within 0.001 s')
    const gone = await reasonOf({ provider: 'cpu', devices: [0] }, 0, { ...sample, folder: join(folder, 'gone') })
    assert.match(gone, /card\.json/)
    assert.ok(!gone.includes(folder), gone)
  })
})

describe('WebGPU on a driver that computes on the CPU', { skip: process.platform !== 'linux' || process.arch !== 'x64' }, () => {
  before(async () => {
    const driver = await mkdtemp(join(folder, 'driver-'))
    Object.assign(process.env, await unpackSwiftshader(driver))
  })

  it('passes its proof and gives the pictures that the CPU gives, to a step', { timeout: 300_000 }, async () => {
    const { execution } = await chooseProvider(readProvider('webgpu'), sample)
    const bytes = await raw(drawPhoto(60, 30)).png().toBuffer()
    const made = async (execution?: Execution) => {
      const engine = await startEngine({ threads: 1, ...(execution ? { execution } : {}) })
      const job = { input: { bytes }, model: sample.folder, format: 'png', tile: 0 } as const
      const both = await Promise.all([engine.upscale(job), engine.upscale(job)])
      const { state } = engine
      await engine.close()
      assert.deepEqual(both[0].bytes, both[1].bytes)
      return { ...both[0], state }
    }
    const [gpu, cpu] = [await made(execution), await made()]
    assert.deepEqual([gpu.provider, gpu.state.provider, cpu.provider], ['webgpu', 'webgpu', 'cpu'])
    const [ours, theirs] = [await pixelsOf(gpu.bytes!), await pixelsOf(cpu.bytes!)]
    assert.equal(ours.data.length, theirs.data.length)
    assert.ok(ours.data.every((value, i) => Math.abs(value - theirs.data[i]!) <= 1))
  })
})
