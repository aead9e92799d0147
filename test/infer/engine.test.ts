import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Engine, EngineOptions, Job } from '../../infer/engine.js'
import { startEngine } from '../../infer/engine.js'
import { decode } from '../../infer/files.js'
import { servingFile } from '../../models/card.js'
import { drawFlat, drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { png, pngHeader, pngPixels, raw } from './pictures.js'

const limits = { maxInputPixels: 1e8 }
let folder: string
let nearest: string
let network: string
let small: Buffer
/** Takes seconds in tiles of 32 pixels, so that there is a middle to stop it in. */
let long: Job

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-engine-'))
  nearest = (await writeModel(folder, { id: 'nearest', scale: 2 })).dir
  network = (await writeModel(folder, { id: 'network', scale: 2, kind: 'network', depth: 6, channels: 32 })).dir
  small = await raw(drawPhoto(20, 16)).png().toBuffer()
  long = job(await raw(drawPhoto(400, 300)).png().toBuffer(), { model: network, tile: 32 })
})
after(() => rm(folder, { recursive: true }))

function job(bytes: Uint8Array, rest: Partial<Job> = {}): Job {
  return { input: { bytes }, model: nearest, format: 'png', tile: 0, ...rest }
}

async function withEngine(options: EngineOptions, use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await startEngine({ threads: 2, ...options })
  try {
    await use(engine)
  } finally {
    await engine.close()
  }
}

/** Resolves once the job has finished its first tile. */
function middle(engine: Engine, work: Job, signal?: AbortSignal) {
  let begun = () => {}
  const inTheMiddle = new Promise<void>(resolve => {
    begun = resolve
  })
  const onProgress = ({ done, total }: { done: number; total: number }) => {
    if (done > 0 && done < total) begun()
  }
  const answer = engine.upscale(work, { onProgress, ...(signal ? { signal } : {}) })
  answer.catch(() => {})
  return { answer, inTheMiddle }
}

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('the engine', () => {
  let engine: Engine
  before(async () => {
    engine = await startEngine({ threads: 2 })
  })
  after(() => engine.close())

  it('answers with the enlarged picture and what it did', async () => {
    const { bytes, milliseconds, stages, ...rest } = await engine.upscale(job(small))
    const expected = {
      format: 'png',
      width: 40,
      height: 32,
      input: { format: 'png', width: 20, height: 16 },
      model: 'nearest',
      provider: 'cpu',
      tiles: 1,
      pixels: 1280,
    }
    assert.deepEqual(rest, expected)
    assert.deepEqual(Object.keys(stages), ['queue', 'decode', 'upscale', 'encode'])
    assert.ok(Object.values(stages).every(ms => ms >= 0))
    assert.ok(milliseconds > 0)
    const { data } = drawPhoto(20, 16)
    const doubled = drawFlat(40, 32, [0, 0, 0])
    for (let i = 0; i < doubled.data.length; i++) {
      const [x, y, c] = [Math.floor(i / 3) % 40, Math.floor(i / 120), i % 3]
      doubled.data[i] = data[((y >> 1) * 20 + (x >> 1)) * 3 + c]!
    }
    assert.deepEqual((await decode(bytes!, limits)).image, doubled)
  })

  it('gives the same bytes in tiles and whole, with one thread and with two', async () => {
    const bytes = await raw(drawPhoto(150, 100)).png().toBuffer()
    const whole = await engine.upscale(job(bytes, { model: network, tile: 512 }))
    const tiled = await engine.upscale(job(bytes, { model: network, tile: 40 }))
    assert.deepEqual(tiled.bytes, whole.bytes)
    await withEngine({ threads: 1 }, async single => {
      assert.deepEqual((await single.upscale(job(bytes, { model: network }))).bytes, whole.bytes)
    })
  })

  it('runs the float file where a model has no uint8 variant, to the same pixels', async () => {
    const float = await writeModel(join(folder, 'float'), {
      id: 'network',
      scale: 2,
      kind: 'network',
      depth: 6,
      channels: 32,
      uint8: false,
    })
    const bytes = await raw(drawPhoto(60, 40)).png().toBuffer()
    const a = await decode((await engine.upscale(job(bytes, { model: network }))).bytes!, limits)
    const b = await decode((await engine.upscale(job(bytes, { model: float.dir }))).bytes!, limits)
    for (let i = 0; i < a.image.data.length; i++) assert.ok(Math.abs(a.image.data[i]! - b.image.data[i]!) <= 1)
  })

  it('takes a file and writes a file, with nothing beside it', async () => {
    const out = join(folder, 'out')
    await mkdir(out)
    await writeFile(join(folder, 'in.png'), small)
    const result = await engine.upscale({
      ...job(small),
      input: { path: join(folder, 'in.png') },
      output: join(out, 'a.webp'),
      format: 'webp',
    })
    assert.equal(result.bytes, undefined)
    assert.deepEqual(await readdir(out), ['a.webp'])
    const { format, image } = await decode(await readFile(join(out, 'a.webp')), limits)
    assert.deepEqual([format, image.width, image.height], ['webp', 40, 32])
  })

  it('resizes to any scale or size', async () => {
    for (const [asked, width, height] of [
      [{ scale: 3 }, 60, 48],
      [{ scale: 0.5 }, 10, 8],
      [{ width: 50 }, 50, 40],
      [{ width: 7, height: 9 }, 7, 9],
    ] as const) {
      const result = await engine.upscale(job(small, asked))
      assert.deepEqual([result.width, result.height], [width, height])
      const { image } = await decode(result.bytes!, limits)
      assert.deepEqual([image.width, image.height], [width, height])
    }
  })

  it('reports every tile', async () => {
    const seen: number[] = []
    const bytes = await raw(drawPhoto(100, 60)).png().toBuffer()
    await engine.upscale(job(bytes, { model: network, tile: 32 }), { onProgress: ({ done, total }) => seen.push(done / total) })
    assert.equal(seen[0], 0)
    assert.equal(seen.at(-1), 1)
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    )
  })

  it('refuses before any work what cannot become a file', async () => {
    const flat = await raw(drawFlat(9000, 2, [9, 9, 9]))
      .png()
      .toBuffer()
    await assert.rejects(engine.upscale(job(flat, { format: 'webp' })), { code: 'output-too-large', got: '18000×4' })
    await assert.rejects(engine.upscale(job(small, { output: join(folder, 'none', 'a.png') })), { code: 'not-writable' })
    await assert.rejects(engine.upscale(job(small, { output: join(nearest, 'card.json', 'a.png') })), { code: 'not-writable' })
  })

  it('tells every bad picture apart, and goes on', async () => {
    const tiny = raw(drawPhoto(64, 64))
    const cut = (await tiny.png().toBuffer()).subarray(0, 900)
    const absurd = png([
      ['IHDR', pngHeader(16_000, 16_000)],
      ['IDAT', pngPixels(1, 1)],
      ['IEND', Buffer.alloc(0)],
    ])
    for (const [bytes, code] of [
      [Buffer.alloc(0), 'empty-image'],
      [Buffer.from('hello'), 'not-an-image'],
      [Buffer.from('<svg/>'), 'unsupported-format'],
      [cut, 'broken-image'],
      [absurd, 'too-many-pixels'],
    ] as const) {
      await assert.rejects(engine.upscale(job(bytes)), { code })
    }
    await assert.rejects(engine.upscale({ ...job(small), input: { path: join(folder, 'none.png') } }), { code: 'no-input' })
    assert.equal((await engine.upscale(job(small))).width, 40)
  })

  it('refuses a model whose file is not the one on its card, showing both sums', async () => {
    const { dir, card } = await writeModel(folder, { id: 'tampered' })
    const graph = servingFile(card)
    const bytes = await readFile(join(dir, graph.file))
    bytes[bytes.length - 1]! ^= 1
    await writeFile(join(dir, graph.file), bytes)
    await assert.rejects(engine.upscale(job(small, { model: dir })), (error: { code: string; message: string; got: string }) => {
      assert.equal(error.code, 'model-mismatch')
      assert.match(error.got, /^[0-9a-f]{64}$/)
      assert.ok(error.message.includes(graph.sha256) && error.message.includes(error.got))
      return true
    })
    bytes[bytes.length - 1]! ^= 1
    await writeFile(join(dir, graph.file), bytes)
    assert.equal((await engine.upscale(job(small, { model: dir }))).width, 40)
  })

  it('answers a small picture while a huge one runs', async () => {
    let finished = false
    const { answer, inTheMiddle } = middle(engine, long)
    answer.then(() => {
      finished = true
    })
    await inTheMiddle
    await engine.upscale(job(small))
    assert.equal(finished, false)
    await answer
  })

  it('stops at an abort, and the next job runs', async () => {
    const abort = new AbortController()
    const { answer, inTheMiddle } = middle(engine, long, abort.signal)
    await inTheMiddle
    abort.abort()
    await assert.rejects(answer, { code: 'aborted' })
    await assert.rejects(engine.upscale(job(small), { signal: abort.signal }), { code: 'aborted' })
    assert.equal((await engine.upscale(job(small))).width, 40)
  })

  it('takes more jobs than it has places', async () => {
    const results = await Promise.all(Array.from({ length: 12 }, () => engine.upscale(job(small))))
    assert.ok(results.every(result => result.width === 40))
  })
})

describe('limits of the engine', () => {
  it('hold for input and output, with numbers in the message', async () => {
    await withEngine({ threads: 1, limits: { maxInputPixels: 300 } }, async engine => {
      await assert.rejects(engine.upscale(job(small)), { code: 'too-many-pixels', expected: 'at most 300 pixels', got: '20×16' })
    })
    await withEngine({ threads: 1, limits: { maxOutputPixels: 1279 } }, async engine => {
      await assert.rejects(engine.upscale(job(small)), { code: 'output-too-large', expected: 'at most 1279 pixels' })
      // The enlargement that it would be reduced from is as large.
      await assert.rejects(engine.upscale(job(small, { scale: 1 })), { code: 'output-too-large' })
    })
  })

  it('are checked when the engine starts', async () => {
    await assert.rejects(startEngine({ threads: 0 }), { code: 'invalid-option', param: 'threads' })
    await assert.rejects(startEngine({ limits: { maxInputPixels: 1.5 } }), { code: 'invalid-option', param: 'maxInputPixels' })
  })
})

describe('an engine child that dies', () => {
  it('is replaced, and its jobs are answered all the same', async () => {
    await withEngine({}, async engine => {
      const first = engine.pid!
      const expected = await engine.upscale(long)
      const output = join(folder, 'after-a-crash.png')
      const { answer, inTheMiddle } = middle(engine, long)
      const neighbour = engine.upscale({ ...long, output })
      await inTheMiddle
      process.kill(first, 'SIGKILL')
      assert.deepEqual((await answer).bytes, expected.bytes)
      await neighbour
      assert.deepEqual(new Uint8Array(await readFile(output)), new Uint8Array(expected.bytes!))
      assert.notEqual(engine.pid, first)
      assert.deepEqual(
        (await readdir(folder)).filter(name => name.endsWith('-tmp')),
        [],
      )
    })
  })

  it('twice under the same job ends that job, and no other', async () => {
    await withEngine({}, async engine => {
      const poisoned = engine.upscale(long, {
        onProgress: ({ done }) => {
          if (done === 2) process.kill(engine.pid!, 'SIGKILL')
        },
      })
      poisoned.catch(() => {})
      const neighbours = [1, 2, 3].map(() => engine.upscale(job(small)))
      await assert.rejects(poisoned, { code: 'engine-crashed' })
      for (const neighbour of neighbours) assert.equal((await neighbour).width, 40)
    })
  })

  it('and whose successor dies while it starts takes no job along', { timeout: 30_000 }, async () => {
    await withEngine({ threads: 1 }, async engine => {
      const first = engine.pid!
      const { answer, inTheMiddle } = middle(engine, long)
      await inTheMiddle
      process.kill(first, 'SIGKILL')
      while (engine.pid === undefined || engine.pid === first) await new Promise(setImmediate)
      process.kill(engine.pid, 'SIGKILL')
      const late = engine.upscale(job(small))
      assert.equal((await answer).width, 800)
      assert.equal((await late).width, 40)
    })
  })

  it('while idle is replaced too', async () => {
    await withEngine({ threads: 1 }, async engine => {
      process.kill(engine.pid!, 'SIGKILL')
      assert.equal((await engine.upscale(job(small))).width, 40)
    })
  })

  it('is killed at the deadline where it hangs, and the job is answered', async () => {
    await withEngine({ deadlineMs: 1500 }, async engine => {
      const hanging = engine.pid!
      const { answer, inTheMiddle } = middle(engine, long)
      await inTheMiddle
      process.kill(hanging, 'SIGSTOP')
      assert.equal((await answer).width, 800)
      assert.notEqual(engine.pid, hanging)
    })
  })

  it('hanging twice under the same job: timeout', async () => {
    await withEngine({ deadlineMs: 1500 }, async engine => {
      const answer = engine.upscale(long, {
        onProgress: ({ done }) => {
          if (done === 2) process.kill(engine.pid!, 'SIGSTOP')
        },
      })
      await assert.rejects(answer, { code: 'timeout' })
      assert.equal((await engine.upscale(job(small))).width, 40)
    })
  })
})

describe('closing', () => {
  it('rejects what runs and what waits, and leaves no process', async () => {
    const engine = await startEngine({ threads: 1 })
    const { answer, inTheMiddle } = middle(engine, long)
    const waiting = Array.from({ length: 6 }, () => engine.upscale(long))
    const refused = Promise.all([answer, ...waiting].map(each => assert.rejects(each, { code: 'aborted' })))
    await inTheMiddle
    const pid = engine.pid!
    await engine.close()
    await refused
    assert.equal(isAlive(pid), false)
    assert.equal(engine.pid, undefined)
    await engine.close()
    await assert.rejects(engine.upscale(job(small)), { code: 'aborted' })
  })

  it('is not needed: an idle engine lets the program end, and ends with it', { timeout: 30_000 }, async () => {
    assert.equal(await program('await startEngine({ threads: 1 })'), 0)
  })

  it('happens by itself when the program is killed', { timeout: 30_000 }, async () => {
    assert.equal(await program('await startEngine({ threads: 1 }); process.kill(process.pid, "SIGKILL")'), null)
  })
})

it('ONNX Runtime reports to nobody and leaves nothing among the temporary files', async () => {
  const temporary = await mkdtemp(join(folder, 'tmp-'))
  const work = JSON.stringify({ input: { path: join(temporary, '../small.png') }, model: nearest, format: 'png', tile: 0 })
  await writeFile(join(temporary, '../small.png'), small)
  // These would keep it silent without us.
  const { CI: _, ORT_DISABLE_TELEMETRY: __, ORT_RUNNING_UNIT_TESTS: ___, ...environment } = process.env
  const text = `const engine = await startEngine({ threads: 1 }); await engine.upscale(${work}); await engine.close()`
  assert.equal(await program(text, { ...environment, TMPDIR: temporary }), 0)
  assert.deepEqual(await readdir(temporary), [])
})

/** Runs a program and tells its exit code once nobody holds its standard error open any more: it and its engine have ended. */
function program(text: string, env = process.env): Promise<number | null> {
  const engine = new URL('../../infer/engine.js', import.meta.url).href
  const script = `import { startEngine } from ${JSON.stringify(engine)}\n${text}`
  const started = spawn(process.execPath, ['--input-type=module', '-e', script], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  started.stderr.resume()
  return new Promise(resolve => started.on('close', resolve))
}
