import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { adopt } from '../../export/adopt.js'
import { serialize } from '../../export/onnx.js'
import type { Image } from '../../image/image.js'
import { createUpscaler, type UpscalerOptions } from '../../infer/upscaler.js'
import { findModel, listModels } from '../../models/catalog.js'
import { modelFolder } from '../../probe/model-folder.js'
import { modelOfFile } from '../../probe/model-of-file.js'
import { pixelsOf, raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'
import { nearestGraph, writeModel } from '../support/model.js'
import { type ForeignSpec, foreignGraph } from './foreign.js'

let home: string
let file: string

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-probe-'))
  process.env.UPREZ_CACHE = join(home, 'cache')
  file = join(home, 'Some Model (x2).onnx')
  await writeFile(file, serialize(nearestGraph(2)))
})
after(() => rm(home, { recursive: true }))

const kept = () => readdir(join(home, 'cache', 'onnx-1'))
async function said(path: string): Promise<string[]> {
  const lines: string[] = []
  await modelOfFile(path, { say: line => lines.push(line) })
  return lines
}

test('one network in many wrappings gives one picture, without a card', async () => {
  const picture = await raw(drawPhoto(90, 70)).png().toBuffer()
  const enlarge = async (name: string, spec: ForeignSpec): Promise<Image> => {
    const path = join(home, `${name}.onnx`)
    await writeFile(path, serialize(foreignGraph(spec)))
    const up = await createUpscaler({ model: path, threads: 1 })
    try {
      assert.equal(up.card.id, name)
      return await pixelsOf((await up.upscale(picture)).data)
    } finally {
      await up.close()
    }
  }
  const plain = await enlarge('plain', {})
  const wild = await enlarge('wild', { nhwc: true, range: [0, 255], reversed: true, even: true })
  const fixed = await enlarge('fixed', { half: true, fixed: { width: 40, height: 32 }, range: [-1, 1] })
  for (const other of [wild, fixed]) {
    assert.deepEqual([other.width, other.height], [180, 140])
    const apart = plain.data.map((value, i) => Math.abs(value - other.data[i]!))
    assert.ok(Math.max(...apart) <= 1)
  }
})

test('what was found out is kept, under the name that the file has', async () => {
  const first = await said(file)
  assert.match(first[0]!, /no card/)
  assert.ok(first.some(line => /scale .*2 \(measured/.test(line)))
  assert.deepEqual(await said(file), [])
  const { card, folder } = await modelOfFile(file)
  assert.deepEqual([card.id, card.parity, card.training.adopted!.file], ['some-model-x2-', null, 'Some Model (x2).onnx'])
  assert.ok((card.training.adopted!.findings ?? []).some(({ how }) => how === 'assumed') && card.training.adopted!.assumed.length > 0)
  const renamed = join(home, 'other.onnx')
  await copyFile(file, renamed)
  assert.deepEqual(await said(renamed), [])
  assert.deepEqual([(await modelOfFile(renamed)).card.id, await modelFolder(renamed)], ['other', folder])
  assert.deepEqual([await modelFolder('fast-x4'), await modelFolder(undefined)], ['fast-x4', undefined])
})

test('what was kept and is damaged is found out again', async () => {
  const { folder } = await modelOfFile(file)
  for (const name of ['card.json', 'model.onnx']) {
    await writeFile(join(folder, name), 'damaged')
    assert.match((await said(file))[0] ?? '', /no card/)
    assert.deepEqual(await said(file), [])
  }
})

test('a card beside the file is believed, unless it speaks of another file', async () => {
  const { dir } = await writeModel(join(home, 'models'), { id: 'carded' })
  assert.deepEqual((await modelOfFile(join(dir, 'model.onnx'))).folder, dir)
  await writeFile(join(dir, 'model.onnx'), serialize(nearestGraph(3)))
  const { card } = await modelOfFile(join(dir, 'model.onnx'))
  assert.deepEqual([card.id, card.scale], ['model', 3])
})

test('the folder command takes the file', async () => {
  const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
  await writeFile(join(home, 'low.png'), await raw(drawPhoto(20, 16)).png().toBuffer())
  const run = () =>
    spawnSync(process.execPath, [uprez, '-m', file, '-i', join(home, 'low.png'), '-o', join(home, 'high.png'), '--json'], {
      encoding: 'utf8',
    })
  const { status, stdout, stderr } = run()
  assert.equal(status, 0, stderr)
  assert.deepEqual(
    (JSON.parse(stdout) as { made: { width: number }[] }).made.map(({ width }) => width),
    [40],
  )
})

test('an adopted file stays as it is, beside a card of its own', async () => {
  const output = join(home, 'adopted', 'mine')
  const lines: string[] = []
  const { card, dir } = await adopt({ file, output, licence: 'CC0', title: 'Mine', say: line => lines.push(line) })
  assert.deepEqual([card.id, card.title, card.licence, card.variants, card.parity], ['mine', 'Mine', 'CC0', {}, null])
  assert.ok(lines.some(line => /sizes .*any \(measured/.test(line)))
  assert.deepEqual(await readFile(join(dir, 'model.onnx')), await readFile(file))
  assert.deepEqual((await findModel(join(output, 'card.json'))).card, card)
  assert.ok((await listModels({ modelPath: join(home, 'adopted') })).some(({ card }) => card.id === 'mine'))
  await writeFile(join(dir, 'LICENSE'), '')
  await adopt({ file, output, say: line => lines.push(line) })
  assert.ok(lines.some(line => /mine is replaced as a whole; removed from it: LICENSE$/.test(line)))
})

test('a model that has a card is adopted by its one file, and a variant is itself', async () => {
  const { dir, card } = await writeModel(join(home, 'models'), { id: 'several', kind: 'network', channels: 16, precisions: ['int8'] })
  const named = async (name: string) => {
    const adopted = await adopt({ file: join(dir, name), output: join(home, 'adopted', 'several') })
    assert.deepEqual((await readdir(adopted.dir)).sort(), ['card.json', 'model.onnx'])
    assert.deepEqual(await readFile(join(adopted.dir, 'model.onnx')), await readFile(join(dir, name)))
    return (await findModel(adopted.dir)).card
  }
  const { precision: _, maxDifference: __, psnrLoss: ___, ...int8 } = card.variants.int8!
  const whole = await named('model.onnx')
  const variant = await named('model.int8.onnx')
  assert.deepEqual([whole.model, whole.variants, whole.parity], [card.model, {}, card.parity])
  assert.deepEqual([variant.model, variant.variants, variant.parity], [{ ...int8, file: 'model.onnx' }, {}, null])
  assert.deepEqual([whole.licence, variant.licence, variant.halo], [card.licence, card.licence, card.halo])
  assert.deepEqual(await said(join(dir, 'model.int8.onnx')), [])

  const picture = await raw(drawPhoto(50, 40)).png().toBuffer()
  const enlarge = async (options: UpscalerOptions): Promise<Image> => {
    const up = await createUpscaler({ ...options, threads: 1 })
    try {
      assert.equal(up.card.id, options.model === dir ? 'several' : `several${/\.int8/.test(options.model!) ? '-int8' : ''}`)
      return await pixelsOf((await up.upscale(picture)).data)
    } finally {
      await up.close()
    }
  }
  const [asked, byName, float] = [
    await enlarge({ model: dir, precision: 'int8' }),
    await enlarge({ model: join(dir, 'model.int8.onnx') }),
    await enlarge({ model: join(dir, 'model.onnx') }),
  ]
  assert.deepEqual(byName, asked)
  assert.notDeepEqual(byName, float)
})

test('what hangs or crashes is ended and told, and nothing is left behind', async () => {
  const other = join(home, 'bad.onnx')
  await writeFile(other, serialize(nearestGraph(4)))
  const before = await kept()
  process.env.UPREZ_PROBE_DEADLINE_MS = '1'
  await assert.rejects(modelOfFile(other), { code: 'timeout', message: /bad\.onnx.*1 ms/ })
  delete process.env.UPREZ_PROBE_DEADLINE_MS
  const crash = join(home, 'crash.cjs')
  await writeFile(crash, "process.kill(process.pid, 'SIGSEGV')")
  process.env.NODE_OPTIONS = `--require=${crash}`
  await assert.rejects(modelOfFile(other), { code: 'engine-crashed', message: /bad\.onnx.*SIGSEGV/ })
  delete process.env.NODE_OPTIONS
  await writeFile(other, 'no model')
  await assert.rejects(modelOfFile(other), { code: 'invalid-onnx', message: /bad\.onnx/ })
  await assert.rejects(modelOfFile(join(home, 'missing.onnx')), { code: 'unknown-model' })
  await assert.rejects(createUpscaler({ modelPath: other }), { code: 'invalid-onnx' })
  assert.deepEqual(await kept(), before)
})

test('a cache that cannot be written is named', async () => {
  const cache = process.env.UPREZ_CACHE
  await mkdir(join(home, 'blocked'))
  await writeFile(join(home, 'blocked', 'onnx-1'), '')
  process.env.UPREZ_CACHE = join(home, 'blocked')
  await assert.rejects(modelOfFile(file), { code: 'not-writable', message: /blocked/ })
  process.env.UPREZ_CACHE = cache
})
