import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createBudget } from '../../infer/budget.js'
import { createTileQueue } from '../../infer/tile-queue.js'

describe('the tile queue', () => {
  it('serves the jobs in turn, however many tiles each has', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), async sizes => {
        const order: number[] = []
        const queue = createTileQueue<number, void>(async job => {
          order.push(job)
        }, 1)
        await Promise.all(sizes.flatMap((size, job) => Array.from({ length: size }, () => queue.add(job, job))))
        // The first tile starts before the others are in line; from then on nobody is served twice while another waits once.
        const left = [...sizes]
        left[order[0]!]!--
        for (let at = 1; at < order.length; at++) {
          const waiting = left.filter(n => n > 0).length
          const round = order.slice(at, at + waiting)
          assert.equal(new Set(round.slice(0, Math.min(waiting, order.length - at))).size, round.length)
          left[order[at]!]!--
        }
      }),
    )
  })

  it('never has more under way than there are places, and uses them all', async () => {
    let busy = 0
    let most = 0
    const queue = createTileQueue<number, number>(async piece => {
      most = Math.max(most, ++busy)
      await new Promise(resolve => setImmediate(resolve))
      busy--
      return piece * 2
    }, 3)
    assert.deepEqual(
      await Promise.all(Array.from({ length: 20 }, (_, i) => queue.add(i % 4, i))),
      Array.from({ length: 20 }, (_, i) => i * 2),
    )
    assert.equal(most, 3)
  })

  it('goes on after a piece that fails, and drops a job', async () => {
    const queue = createTileQueue<string, string>(async piece => {
      if (piece === 'bad') throw new Error('bad piece')
      return piece
    }, 1)
    const [bad, dropped, kept] = [queue.add(1, 'bad'), queue.add(1, 'later'), queue.add(2, 'kept')]
    queue.drop(1, new Error('dropped'))
    await assert.rejects(bad, /bad piece/)
    await assert.rejects(dropped, /dropped/)
    assert.equal(await kept, 'kept')
  })
})

describe('the memory budget', () => {
  const never = new AbortController().signal

  it('lets in what fits, first come first served, and small amounts at once', async () => {
    const budget = createBudget(100)
    const log: string[] = []
    const take = (name: string, amount: number) =>
      budget.take(amount, never).then(release => {
        log.push(name)
        return release
      })
    const a = await take('a', 60)
    const b = take('b', 60)
    const c = take('c', 30)
    await take('small', 6)
    assert.deepEqual(log, ['a', 'small'])
    a()
    const release = await b
    await c
    assert.deepEqual(log, ['a', 'small', 'b', 'c'])
    release()
  })

  it('lets the too large in alone, and the cancelled out', async () => {
    const budget = createBudget(100)
    const all = await budget.take(1000, never)
    const abort = new AbortController()
    const cancelled = budget.take(50, abort.signal)
    const next = budget.take(50, never)
    abort.abort()
    await assert.rejects(cancelled, { code: 'aborted' })
    all()
    await next
  })
})
