import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it, mock } from 'node:test'
import { type Engine, type Job, startEngine } from '../../infer/engine.js'
import { forkChild } from '../../infer/fork.js'
import { readLimits } from '../../infer/limits.js'
import { OPERATIONS_PER_DEADLINE } from '../../infer/patience.js'
import { ON_CPU } from '../../infer/providers.js'
import { findModel } from '../../models/catalog.js'
import { drawFlat, drawNoise, drawPhoto } from '../support/draw.js'
import { type ModelSpec, writeModel } from '../support/model.js'
import { png, pngHeader, pngPixels, raw } from './pictures.js'

/** What the engine tells and promises beside its pictures: sizes beforehand, counts, patience, models that come and go. */

let folder: string
let nearest: string
let network: string
let small: Buffer
let large: Buffer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-load-'))
  nearest = (await writeModel(folder, { id: 'nearest', scale: 2 })).dir
  network = (await writeModel(folder, { id: 'network', ...NETWORK })).dir
  small = await raw(drawPhoto(20, 16)).png().toBuffer()
  large = await raw(drawNoise(300, 200)).png().toBuffer()
})
after(() => rm(folder, { recursive: true }))

/** The large picture takes it some tenths of a second. */
const NETWORK: ModelSpec = { scale: 2, kind: 'network', depth: 6, channels: 32 }

function job(bytes: Uint8Array, rest: Partial<Job> = {}): Job {
  return { input: { bytes }, model: nearest, format: 'png', tile: 0, ...rest }
}

async function withEngine(options: Parameters<typeof startEngine>[0], use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await startEngine({ threads: 1, ...options })
  try {
    await use(engine)
  } finally {
    await engine.close()
  }
}

/** Resolves when the job's tiles are about to run, and the child has said so. */
async function underWay(engine: Engine, work: Job) {
  let begun = () => {}
  const running = new Promise<void>(resolve => {
    begun = resolve
  })
  const answer = engine.upscale(work, { onProgress: begun })
  answer.catch(() => {})
  await running
  await engine.measure(job(small))
  return { answer }
}

describe('a measurement', () => {
  let engine: Engine
  before(async () => {
    engine = await startEngine({ threads: 1, limits: { maxInputPixels: 200_000, maxOutputPixels: 1_000_000 } })
  })
  after(() => engine.close())

  it('tells what a job amounts to', async () => {
    const input = { format: 'png', width: 20, height: 16 }
    assert.deepEqual(await engine.measure(job(small)), { input, width: 40, height: 32, work: 1280 })
    assert.deepEqual(await engine.measure(job(small, { scale: 1 })), { input, width: 20, height: 16, work: 1280 })
    assert.deepEqual(await engine.measure(job(small, { width: 200, tta: true })), { input, width: 200, height: 160, work: 8 * 32_000 })
    await writeFile(join(folder, 'in.png'), small)
    assert.equal((await engine.measure(job(small, { input: { path: join(folder, 'in.png') } }))).work, 1280)
  })

  it('finds the size in the first bytes of a large file, and where it lies further back', async () => {
    for (const picture of [raw(drawNoise(300, 200)).png(), raw(drawNoise(300, 200)).tiff({ compression: 'none' })]) {
      const bytes = await picture.toBuffer()
      assert.ok(bytes.length > 100_000)
      assert.equal((await engine.measure(job(bytes))).work, 240_000)
      // Nothing of the pixels is looked at: those of a PNG may be missing.
      if (bytes[0] === 0x89) assert.equal((await engine.measure(job(bytes.subarray(0, 70_000)))).work, 240_000)
    }
  })

  it('refuses what the job would be refused for', async () => {
    const bomb = png([
      ['IHDR', pngHeader(16_000, 16_000)],
      ['IDAT', pngPixels(1, 1)],
      ['IEND', Buffer.alloc(0)],
    ])
    const cases: [Job, string][] = [
      [job(Buffer.from('hello')), 'not-an-image'],
      [job(bomb), 'too-many-pixels'],
      [job(small, { scale: 60 }), 'output-too-large'],
      [job(Buffer.alloc(100_000, small.subarray(0, 24))), 'broken-image'],
      [job(small, { model: join(folder, 'none') }), 'unknown-model'],
      [job(small, { input: { path: join(folder, 'none.png') } }), 'no-input'],
    ]
    for (const [work, code] of cases) await assert.rejects(engine.measure(work), { code })
  })

  it('loads no model and waits for no job', async () => {
    assert.deepEqual(engine.state.models, [])
    const jobs = [1, 2, 3, 4].map(() => engine.upscale(job(large, { model: network })))
    assert.ok(engine.state.waiting > 0)
    await engine.measure(job(small))
    assert.ok(engine.state.waiting > 0)
    await Promise.all(jobs)
  })
})

it('the state counts tiles, restarts and what waits and runs', { timeout: 60_000 }, async () => {
  await withEngine({}, async engine => {
    assert.ok(engine.state.rss! > 1e6)
    const first = await engine.upscale(job(large, { model: network, tile: 128 }))
    assert.ok(first.tiles > 1)
    assert.equal(engine.state.tiles, first.tiles)
    assert.deepEqual(
      engine.state.models.map(({ id }) => id),
      ['network'],
    )
    const { answer } = await underWay(engine, job(large, { model: network, tile: 128 }))
    assert.deepEqual([engine.state.running, engine.state.waiting], [1, 0])
    process.kill(engine.pid!, 'SIGKILL')
    const { tiles } = await answer
    assert.ok(engine.state.tiles >= first.tiles + tiles)
    assert.deepEqual(engine.state.restarts, { crash: 1, hang: 0, start: 0 })
    assert.deepEqual([engine.state.running, engine.state.waiting], [0, 0])
  })
})

it('the result tells where the time went, the wait for a place included, and listeners hear of every result', async () => {
  await withEngine({}, async engine => {
    const heard: number[] = []
    engine.listeners.add(({ width }) => heard.push(width))
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => engine.upscale(job(large, { model: network }))))
    const sum = ({ stages }: (typeof results)[number]) => Object.values(stages).reduce((a, b) => a + b)
    for (const result of results) {
      assert.equal(result.pixels, 240_000)
      assert.ok(result.stages.decode > 0 && result.stages.upscale > 0 && result.stages.encode > 0)
      assert.ok(sum(result) - result.stages.queue <= result.milliseconds + 1)
    }
    // The last could not begin before the first was done.
    assert.ok(results.at(-1)!.stages.queue > results[0]!.milliseconds - results[0]!.stages.queue)
    assert.deepEqual(heard, Array(5).fill(600))
  })
})

describe('a child that does not come up', () => {
  afterEach(() => mock.timers.reset())

  /** Resolves with the process of the next child as soon as it is there. */
  async function successor(engine: Engine, before: number): Promise<number> {
    while (engine.pid === undefined || engine.pid === before) await new Promise(setImmediate)
    return engine.pid
  }

  it('because it is killed while it starts is started again, and the job is done', { timeout: 60_000 }, async () => {
    await withEngine({}, async engine => {
      const { answer } = await underWay(engine, job(large, { model: network }))
      let pid = engine.pid!
      process.kill(pid, 'SIGKILL')
      for (let killed = 0; killed < 3; killed++) {
        pid = await successor(engine, pid)
        process.kill(pid, 'SIGKILL')
      }
      assert.equal((await answer).width, 600)
      assert.deepEqual(engine.state.restarts, { crash: 1, hang: 0, start: 3 })
    })
  })

  it('because it hangs while it starts is replaced in the end', { timeout: 60_000 }, async () => {
    await withEngine({ deadlineMs: 1000 }, async engine => {
      mock.timers.enable({ apis: ['setTimeout'] })
      const first = engine.pid!
      const answer = engine.upscale(job(small))
      process.kill(first, 'SIGKILL')
      const hanging = await successor(engine, first)
      process.kill(hanging, 'SIGSTOP')
      mock.timers.tick(29_000)
      assert.equal(engine.pid, hanging)
      mock.timers.tick(2000)
      await successor(engine, hanging)
      assert.equal((await answer).width, 40)
      assert.equal(engine.state.restarts.start, 1)
    })
  })

  it('because its parent went away before it listened ends by itself', { timeout: 60_000 }, async () => {
    const child = forkChild({ threads: 1, limits: readLimits(), modelMemory: 1e9, precision: 'fp32', execution: ON_CPU })
    const ended = once(child, 'exit')
    child.disconnect()
    const [code, signal] = await ended
    assert.deepEqual([code, signal], [0, null])
  })
})

describe('the patience with a job', () => {
  const deadlineMs = 1000
  let whole: string
  before(async () => {
    const { dir, card } = await writeModel(folder, { id: 'whole', ...NETWORK, halo: null })
    whole = dir
    // So much that the run of the large picture may take ten deadlines.
    card.flopsPerPixel = (10 * OPERATIONS_PER_DEADLINE) / (300 * 200)
    await writeFile(join(dir, 'card.json'), JSON.stringify(card))
  })
  // The engine's clock stands still but for what the test lets pass; its child has its own.
  afterEach(() => mock.timers.reset())

  it('is as long as its step may take, and ends then where the child hangs', { timeout: 60_000 }, async () => {
    await withEngine({ deadlineMs }, async engine => {
      mock.timers.enable({ apis: ['setTimeout'] })
      const hanging = engine.pid!
      const { answer } = await underWay(engine, job(large, { model: whole }))
      process.kill(hanging, 'SIGSTOP')
      mock.timers.tick(9.9 * deadlineMs)
      assert.equal(engine.pid, hanging)
      process.kill(hanging, 0)
      mock.timers.tick(0.2 * deadlineMs)
      assert.equal((await answer).width, 600)
      assert.notEqual(engine.pid, hanging)
      assert.deepEqual(engine.state.restarts, { crash: 0, hang: 1, start: 0 })
    })
  })

  it('does not end while it only waits for the step of another', { timeout: 60_000 }, async () => {
    await withEngine({ deadlineMs }, async engine => {
      mock.timers.enable({ apis: ['setTimeout'] })
      const { pid } = engine
      await engine.upscale(job(small))
      // Twenty-five times the large one, whose run is not waited for.
      const huge = await raw(drawFlat(1500, 1000, [1, 2, 3]))
        .png()
        .toBuffer()
      await underWay(engine, job(huge, { model: whole }))
      await underWay(engine, job(small))
      mock.timers.tick(99 * deadlineMs)
      assert.equal(engine.pid, pid)
      assert.deepEqual([engine.state.running, engine.state.restarts.hang], [2, 0])
      const closed = engine.close()
      process.kill(pid!, 'SIGKILL')
      await closed
    })
  })
})

describe('a model that is exchanged in its folder', () => {
  const versionOf = async (dir: string) => (await findModel(`${dir}/card.json`)).version

  it('goes on with the jobs of its version, is left when it is forgotten, and its successor takes over', async () => {
    const { dir } = await writeModel(folder, { id: 'swap', scale: 2 })
    const old = await versionOf(dir)
    await withEngine({}, async engine => {
      const widthOf = async (version: string) => (await engine.upscale(job(small, { model: dir, version }))).width
      assert.equal(await widthOf(old), 40)
      await writeModel(folder, { id: 'swap', scale: 3 })
      const fresh = await versionOf(dir)
      assert.equal(await widthOf(fresh), 60)
      assert.equal(await widthOf(old), 40)
      assert.equal(engine.state.models.length, 2)
      engine.forget(dir, old)
      assert.equal(await widthOf(fresh), 60)
      assert.deepEqual(
        engine.state.models.map(({ version }) => version),
        [fresh],
      )
      assert.equal(await widthOf(old), 60)
    })
  })

  it('makes room where the models need more memory than they may', async () => {
    await withEngine({ modelMemory: 1 }, async engine => {
      for (const model of [nearest, network, nearest]) {
        await engine.upscale(job(small, { model }))
        await engine.measure(job(small))
      }
      assert.ok(engine.state.models.length <= 1)
      assert.equal((await engine.upscale(job(small))).width, 40)
    })
  })

  it('may be damaged meanwhile: what is loaded goes on', async () => {
    const { dir } = await writeModel(folder, { id: 'damaged', scale: 2 })
    const version = await versionOf(dir)
    await withEngine({}, async engine => {
      await engine.upscale(job(small, { model: dir, version }))
      const file = join(dir, 'model.uint8.onnx')
      await writeFile(file, (await readFile(file)).subarray(0, 50))
      assert.equal((await engine.upscale(job(small, { model: dir, version }))).width, 40)
    })
  })
})
