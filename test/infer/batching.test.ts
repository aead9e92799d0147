import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Engine, startEngine } from '../../infer/engine.js'
import { drawAlpha, drawGrey, drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { raw } from './pictures.js'

// The way of graphics cards, gone by two that are none.
const cards = { provider: 'cpu', devices: [0, 0] } as const
const folder = await mkdtemp(join(tmpdir(), 'uprez-batching-'))
let plain: Engine
let batching: Engine
before(async () => {
  process.env.UPREZ_CACHE = join(folder, 'cache')
  await writeModel(folder, { id: 'net', kind: 'network', depth: 3, channels: 4 })
  await writeModel(folder, { id: 'whole', kind: 'network', depth: 2, channels: 4, halo: null })
  await writeModel(folder, { id: 'fours', kind: 'network', depth: 2, channels: 4, halo: 4, sizeMultiple: 4 })
  ;[plain, batching] = await Promise.all([
    startEngine({ threads: 2 }),
    startEngine({ threads: 2, execution: { ...cards, devices: [0, 0] } }),
  ])
})
after(async () => {
  await Promise.all([plain.close(), batching.close()])
  delete process.env.UPREZ_CACHE
  await rm(folder, { recursive: true })
})

test('pictures of all sizes at once come out as without batches, to the last bit', { timeout: 300_000 }, async () => {
  const pictures = [
    drawPhoto(1100, 300),
    drawPhoto(300, 700),
    drawPhoto(40, 20),
    drawPhoto(40, 20, 2),
    drawGrey(600, 520),
    drawAlpha(270, 530),
  ]
  const inputs = await Promise.all(pictures.map(picture => raw(picture).png().toBuffer()))
  const jobs = ['net', 'whole', 'fours'].flatMap(model =>
    inputs.map((bytes, i) => ({
      input: { bytes },
      model: join(folder, model),
      format: 'png' as const,
      tile: model === 'net' && i === 1 ? 128 : 0,
      tta: i === 2,
    })),
  )
  const [ours, theirs] = await Promise.all([batching, plain].map(engine => Promise.all(jobs.map(job => engine.upscale(job)))))
  for (const [i, { bytes, width, height }] of ours!.entries()) {
    assert.deepEqual([width, height], [theirs![i]!.width, theirs![i]!.height])
    assert.ok(Buffer.from(bytes!).equals(theirs![i]!.bytes!), `job ${i} differs`)
  }
})

test('what a model runs fastest with is measured once', { timeout: 60_000 }, async () => {
  const place = join(folder, 'cache', 'providers')
  const found = async () => Promise.all((await readdir(place)).sort().map(async name => [name, (await stat(join(place, name))).mtimeMs]))
  const before = await found()
  assert.equal(before.length, 3)
  for (const [name] of before) {
    const { side, batch } = JSON.parse(await readFile(join(place, String(name)), 'utf8'))
    assert.ok(Number.isInteger(side) && batch >= 1)
  }
  const another = await startEngine({ threads: 1, execution: { ...cards, devices: [0] } })
  const bytes = await raw(drawPhoto(30, 30)).png().toBuffer()
  await another.upscale({ input: { bytes }, model: join(folder, 'net'), format: 'png', tile: 0 })
  await another.close()
  assert.deepEqual(await found(), before)
})

test('a model whose file is damaged fails as ever, and another goes on', async () => {
  const bytes = await raw(drawPhoto(30, 30)).png().toBuffer()
  const job = { input: { bytes }, format: 'png', tile: 0 } as const
  await assert.rejects(batching.upscale({ ...job, model: join(folder, 'gone') }), { code: 'unknown-model' })
  assert.equal((await batching.upscale({ ...job, model: join(folder, 'net') })).width, 60)
})
