import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { writeScores } from '../../eval/card-scores.js'
import type { Evaluation, Figures } from '../../eval/measure.js'
import { encode } from '../../infer/encode.js'
import type { UpscaleCard } from '../../models/card.js'
import { parseCard } from '../../models/card.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let root: string
let model: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-eval-'))
  model = (await writeModel(root, { id: 'nearest-x2', kind: 'nearest', scale: 2 })).dir
  for (const [set, file, seed] of [
    ['A', 'a.png', 1],
    ['A', 'b.png', 2],
    ['B', 'c.png', 3],
  ] as const) {
    await mkdir(join(root, 'data', set), { recursive: true })
    await writeFile(join(root, 'data', set, file), await encode(drawPhoto(48, 40, seed), 'png', undefined, {}))
  }
})
after(() => rm(root, { recursive: true, force: true }))

test('prints a row for every set and method, the originals last', async () => {
  const { code, stdout } = await evaluate('-m', model, '--data', join(root, 'data'))
  assert.equal(code, 0)
  const rows = tableOf(stdout)
  assert.deepEqual(rows[0], ['set', 'images', 'method', 'PSNR-Y dB', 'PSNR-RGB dB', 'SSIM-Y', 'NIQE (uprez fit)', 's/megapixel'])
  const methods = ['bilinear', 'bicubic', 'lanczos', 'nearest-x2', 'original']
  assert.deepEqual(
    rows.slice(2).map(row => row.slice(0, 3)),
    [...methods.map(method => ['A', '2', method]), ...methods.map(method => ['B', '1', method])],
  )
  assert.match(rows[2]!.slice(3).join(' '), /^\d\d\.\d\d \d\d\.\d\d 0\.\d{4} – \d+\.\d{3}$/)
  assert.deepEqual(rows[6]!.slice(3), Array(5).fill('–'))
})

test('models of two scales stand in two tables; --checks adds its columns, -o and --csv make a file', async () => {
  const third = (await writeModel(root, { id: 'nearest-x3', kind: 'nearest', scale: 3 })).dir
  const other = (await writeModel(root, { id: 'other-x2', kind: 'network', scale: 2 })).dir
  const { code, stdout } = await evaluate('-n', third, other, model, '--data', join(root, 'data', 'A'), '--checks')
  assert.equal(code, 0)
  assert.deepEqual(stdout.match(/^### .*/gm), ['### ×2', '### ×3'])
  const rows = tableOf(stdout)
  assert.deepEqual(rows[0]!.slice(-3), ['back to low dB', 'shift', 'grid ×'])
  assert.deepEqual(
    rows.filter(row => /-x\d$/.test(row[2]!)).map(row => row[2]),
    ['other-x2', 'nearest-x2', 'nearest-x3'],
  )

  const file = join(root, 'scores.csv')
  const { stdout: nothing } = await evaluate('-n', third, model, '--data', join(root, 'data', 'A'), '--csv', '-o', file)
  assert.equal(nothing, '')
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  assert.equal(lines[0], 'scale,set,images,method,psnr_y_db,psnr_rgb_db,ssim_y,niqe_uprez_fit,s_per_megapixel')
  assert.equal(lines.length, 1 + 2 * 5)
  assert.match(lines[4]!, /^2,A,2,nearest-x2,\d+\.\d+,\d+\.\d+,0\.\d+,,\d/)
})

test('what cannot be compared is refused before any work', async () => {
  const pairs = join(root, 'pairs')
  for (const side of ['lq', 'gt']) {
    await mkdir(join(pairs, side), { recursive: true })
    await writeFile(
      join(pairs, side, 'a.png'),
      await encode(drawPhoto(side === 'gt' ? 96 : 32, side === 'gt' ? 96 : 32), 'png', undefined, {}),
    )
  }
  const foreign = await evaluate('-m', model, '--data', pairs)
  assert.equal(foreign.code, 2)
  assert.match(foreign.stderr, /the pairs of .*pairs are at ×3, the models are measured at ×2/)
  assert.equal((await evaluate('-m', model, '--data', pairs, '--scale', '3')).code, 0)
  const twice = await evaluate('-n', model, `${model}/card.json`, '--data', join(root, 'data'))
  assert.match(twice.stderr, /invalid-option: -n: two rows would be called nearest-x2/)
  const nowhere = await evaluate('-m', model, '--data', join(root, 'data'), '-o', join(root, 'none', 'x.md'))
  assert.match(nowhere.stderr, /not-writable/)
})

test('--json speaks on stdout, picture by picture; --save-images leaves what was compared', async () => {
  const { stdout } = await evaluate('-m', model, '--data', join(root, 'data', 'A'), '--json', '--save-images', join(root, 'saved'))
  const report = JSON.parse(stdout)
  assert.deepEqual(
    report.models.map(({ id, scale }: { id: string; scale: number }) => [id, scale]),
    [['nearest-x2', 2]],
  )
  assert.deepEqual([report.provider, report.precision], ['cpu', 'fp32'])
  const [{ set, images, mean }] = report.sets
  assert.deepEqual([set, images.length], ['A', 2])
  const [a, b] = images.map((image: { figures: Record<string, { psnrY: number }> }) => image.figures['nearest-x2']!.psnrY)
  assert.equal(mean['nearest-x2'].psnrY, (a + b) / 2)
  for (const kind of ['low', 'bilinear', 'bicubic', 'lanczos', 'nearest-x2'])
    assert.deepEqual((await readdir(join(root, 'saved', 'A', kind))).sort(), ['a.png', 'b.png'])
})

test('--write-card puts the scores onto the card and changes nothing else there', async () => {
  const folder = join(root, 'scored')
  await cp(model, folder, { recursive: true })
  const before = await readCard(folder)
  const { code } = await evaluate('-m', folder, '--data', join(root, 'data'), '--write-card')
  assert.equal(code, 0)
  const { scores, ...rest } = await readCard(folder)
  assert.deepEqual(
    scores.map(({ set }) => set),
    ['A', 'B'],
  )
  assert.deepEqual({ ...rest, scores: [] }, before)
})

test('a picture that cannot be read is named, the others are measured, the exit code is 1 and the card stays', async () => {
  const data = join(root, 'damaged')
  const folder = join(root, 'unscored')
  await cp(model, folder, { recursive: true })
  await cp(join(root, 'data', 'A'), data, { recursive: true })
  await writeFile(join(data, 'z.png'), 'not a picture')
  const { code, stdout, stderr } = await evaluate('-m', folder, '--data', data, '--write-card')
  assert.equal(code, 1)
  assert.match(stdout, /^\| damaged \| +2 /m)
  assert.match(stderr, /z\.png: not-an-image: /)
  assert.deepEqual((await readCard(folder)).scores, [])
})

test('a report names the precision and the file that was run', async () => {
  const { dir, card } = await writeModel(root, { id: 'halved', kind: 'network', scale: 2, precisions: ['fp16'] })
  const { stdout } = await evaluateWith({ UPREZ_PRECISION: 'fp16' }, '-m', dir, '--data', join(root, 'data', 'B'), '--json')
  const { precision, models } = JSON.parse(stdout)
  assert.deepEqual([precision, models[0].sha256], ['fp16', card.variants.fp16!.sha256])
})

test('scores at a foreign scale do not go onto the card', async () => {
  const { code, stderr } = await evaluate('-m', model, '--data', join(root, 'data'), '--scale', '3', '--write-card')
  assert.equal(code, 2)
  assert.match(stderr, /invalid-option: --write-card: .*×2, not ×3/)
})

test('scores on pairs do not go onto the card: their low sides are not those of the published tables', async () => {
  const folder = join(root, 'poor', 'A')
  for (const [side, picture] of Object.entries({ gt: drawPhoto(48, 40), lq: drawPhoto(24, 20) })) {
    await mkdir(join(folder, side), { recursive: true })
    await writeFile(join(folder, side, 'a.png'), await encode(picture, 'png', undefined, {}))
  }
  const { code, stderr } = await evaluate('-m', model, '--data', folder, '--write-card')
  assert.equal(code, 2)
  assert.match(stderr, /invalid-option: --write-card: expected originals only but received pairs/)
})

test('a folder without pictures ends with no-images', async () => {
  await mkdir(join(root, 'empty'), { recursive: true })
  const { code, stderr } = await evaluate('-m', model, '--data', join(root, 'empty'))
  assert.equal(code, 1)
  assert.match(stderr, /no-images: --data: .*empty/)
})

test('a new score replaces the old one of its set; those of other sets stay', async () => {
  const { dir, card } = await writeModel(root, { id: 'replaced' })
  const write = (set: string, psnrY: number, niqe: number | null) =>
    writeScores({ card, folder: dir }, [evaluation('replaced', set, psnrY, niqe), evaluation('another', set, 1, 1)])
  await write('Set5', 30, 5)
  await write('too small for NIQE', 28, null)
  await write('Set5', 31.23456, 4.56789)
  assert.deepEqual((await readCard(dir)).scores, [
    { set: 'too small for NIQE', psnrY: 28, ssimY: 0.9 },
    { set: 'Set5', psnrY: 31.2346, ssimY: 0.9, niqe: 4.5679 },
  ])
})

test('a card whose model was replaced meanwhile takes no scores of the old one', async () => {
  const { dir, card } = await writeModel(root, { id: 'other' })
  const measured = { ...card, model: { ...card.model, sha256: '0'.repeat(64) } }
  await assert.rejects(writeScores({ card: measured, folder: dir }, [evaluation('other', 'Set5', 30, null)]), { code: 'model-mismatch' })
  assert.deepEqual((await readCard(dir)).scores, [])
})

function evaluation(model: string, name: string, psnrY: number, niqe: number | null): Evaluation {
  const figures: Figures = { psnrY, psnrRgb: psnrY, ssimY: 0.9, niqe, seconds: 1 }
  const images = [{ name: 'a.png', width: 1, height: 1, original: { niqe: null }, figures: { [model]: figures } }]
  return { set: { name, folder: name, pictures: [], scale: null }, scale: 2, methods: [model], images, failures: [] }
}

/** Cells of all rows of a Markdown table. */
function tableOf(text: string): string[][] {
  const lines = text.split('\n').filter(line => line.startsWith('|'))
  return lines.map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

async function readCard(folder: string): Promise<UpscaleCard> {
  return parseCard(JSON.parse(await readFile(join(folder, 'card.json'), 'utf8')), folder)
}

const evaluate = (...args: string[]) => evaluateWith({}, ...args)

function evaluateWith(settings: NodeJS.ProcessEnv, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...settings }
    const child = spawn(process.execPath, [uprez, 'eval', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', text => (stdout += text))
    child.stderr.on('data', text => (stderr += text))
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}
