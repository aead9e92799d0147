import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Image } from '../../image/image.js'
import { type Batches, batchSizes, createBatches, FLUSH_MS } from '../../infer/batches.js'

/** A window with its number in its only row. */
function numbered(id: number, width: number): Image {
  const data = new Uint8Array(width * 3)
  new DataView(data.buffer).setUint16(0, id)
  return { data, width, height: 1, channels: 3 }
}

const numberOf = ({ data }: Image): number => new DataView(data.buffer, data.byteOffset).getUint16(0)

/** Time that goes on when the test says so, runs that end when it says so. */
function bench(places: number, limit: number) {
  let now = 0
  const timers: { at: number; then: () => void }[] = []
  const runs: { model: string; ids: number[]; width: number; began: number; end: () => void; fail: () => void }[] = []
  const batches: Batches = createBatches(
    (model, windows, begun) =>
      new Promise((resolve, reject) => {
        const ended = begun()
        const buffers = new Set(windows.map(({ data }) => data.buffer))
        assert.equal(buffers.size, windows.length, 'two windows in one buffer cannot both be moved')
        const answers = windows.map(window => ({ ...window, data: window.data.slice() }))
        const [{ width }] = windows as [Image]
        const done = (settle: () => void) => () => {
          ended()
          runs.splice(runs.indexOf(run), 1)
          settle()
        }
        const run = {
          model,
          ids: (windows as Image[]).map(numberOf),
          width,
          began: now,
          end: done(() => resolve(answers)),
          fail: done(() => reject(new Error('out of memory'))),
        }
        assert.ok(windows.every(window => window.width === width))
        runs.push(run)
        begunRuns.push(run)
        assert.ok(runs.length <= places, `${runs.length} runs under way`)
      }),
    { places, limit: () => limit, after: (milliseconds, then) => void timers.push({ at: now + milliseconds, then }) },
  )
  const begunRuns: typeof runs = []
  return {
    batches,
    runs,
    begunRuns,
    pass: async (milliseconds: number) => {
      now += milliseconds
      for (const timer of timers.filter(({ at }) => at <= now)) {
        timers.splice(timers.indexOf(timer), 1)
        timer.then()
      }
      await settled()
    },
  }
}

/** All promises that can be settled are. */
const settled = () => new Promise(resolve => setImmediate(resolve))

const idle = () => () => {}

test('every window gets its own answer, in its order, with others of its kind, and none waits where a place is free', async () => {
  const event = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('add' as const), model: fc.constantFrom('a', 'b'), width: fc.constantFrom(2, 3) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: FLUSH_MS }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(3) }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 60 }),
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 6 }),
      async (events, places, limit) => {
        const { batches, runs, begunRuns, pass } = bench(places, limit)
        const asked: { id: number; model: string; width: number; at: number; answer: Promise<Image> }[] = []
        let time = 0
        const waits = () => asked.filter(({ id }) => !begunRuns.some(run => run.ids.includes(id)))
        for (const event of events) {
          if (event.kind === 'add') {
            const id = asked.length + 1
            const answer = batches.run(event.model, numbered(id, event.width), idle) as Promise<Image>
            asked.push({ id, model: event.model, width: event.width, at: time, answer })
          } else if (event.kind === 'pass') {
            time += event.ms
            await pass(event.ms)
          } else {
            runs[event.which]?.end()
            await settled()
          }
          if (runs.length < places) for (const { at } of waits()) assert.ok(time - at < FLUSH_MS, `one has waited ${time - at} ms`)
        }
        for (let left = 0; waits().length > 0 || runs.length > 0; left++) {
          assert.ok(left < 1000, 'it never ends')
          await pass(FLUSH_MS)
          runs[0]?.end()
          await settled()
        }
        for (const { id, width, answer } of asked) {
          const made = await answer
          assert.deepEqual([numberOf(made), made.width], [id, width])
        }
        for (const run of begunRuns) {
          assert.ok(batchSizes(limit).includes(run.ids.length), `${run.ids.length} at once`)
          const own = run.ids.map(id => asked[id - 1]!)
          assert.ok(own.every(({ model, width }) => model === run.model && width === run.width))
          const distinct = [...new Set(run.ids)]
          assert.deepEqual(
            distinct,
            distinct.toSorted((a, b) => a - b),
          )
        }
        for (const kind of ['a2', 'a3', 'b2', 'b3']) {
          const order = begunRuns.filter(run => run.model + run.width === kind).flatMap(run => [...new Set(run.ids)])
          assert.deepEqual(
            order,
            order.toSorted((a, b) => a - b),
          )
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a full run leaves at once, a part of one when its time has come, padded to a size that is known', async () => {
  const { batches, begunRuns, pass } = bench(4, 8)
  const all = Array.from({ length: 11 }, (_, i) => batches.run('a', numbered(i + 1, 2), idle))
  assert.deepEqual(
    begunRuns.map(({ ids }) => ids),
    [[1, 2, 3, 4, 5, 6, 7, 8]],
  )
  await pass(FLUSH_MS)
  assert.deepEqual(begunRuns[1]!.ids, [9, 10, 11, 11])
  for (const run of begunRuns) run.end()
  assert.equal((await Promise.all(all)).length, 11)
})

test('while all places are taken more come together', async () => {
  const { batches, begunRuns, pass } = bench(1, 4)
  for (const id of [1, 2, 3, 4, 5]) void batches.run('a', numbered(id, 2), idle)
  await pass(FLUSH_MS)
  for (const id of [6, 7]) void batches.run('a', numbered(id, 2), idle)
  begunRuns[0]!.end()
  await settled()
  assert.deepEqual(
    begunRuns.map(({ ids }) => ids),
    [
      [1, 2, 3, 4],
      [5, 6, 7, 7],
    ],
  )
})

test('windows of another depth go by themselves', async () => {
  const { batches, begunRuns, pass } = bench(2, 4)
  void batches.run('a', numbered(1, 4), idle)
  void batches.run('a', { data: new Uint16Array(6), width: 4, height: 1, channels: 3 }, idle)
  await pass(FLUSH_MS)
  assert.equal(begunRuns.length, 2)
})

test('a run that fails fails all of its windows, and the next goes on', async () => {
  const { batches, begunRuns, pass } = bench(1, 2)
  const log: string[] = []
  const begun = (name: string) => () => {
    log.push(`${name} begins`)
    return () => void log.push(`${name} ends`)
  }
  const lost = [batches.run('a', numbered(1, 2), begun('1')), batches.run('a', numbered(2, 2), begun('2'))]
  const next = batches.run('a', numbered(3, 2), begun('3'))
  begunRuns[0]!.fail()
  for (const answer of lost) await assert.rejects(answer, /out of memory/)
  await pass(FLUSH_MS)
  begunRuns[1]!.end()
  assert.equal(numberOf((await next) as Image), 3)
  assert.deepEqual(log, ['1 begins', '2 begins', '1 ends', '2 ends', '3 begins', '3 ends'])
})

test('a model with many windows lets another in between', async () => {
  const { batches, begunRuns } = bench(1, 1)
  for (const [i, model] of ['a', 'a', 'a', 'b'].entries()) void batches.run(model, numbered(i + 1, 2), idle)
  for (let i = 0; i < 4; i++) {
    begunRuns[i]!.end()
    await settled()
  }
  assert.deepEqual(
    begunRuns.flatMap(({ ids }) => ids),
    [1, 2, 4, 3],
  )
})
