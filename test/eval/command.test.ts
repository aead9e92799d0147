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

test('prints a row for every set beside bilinear and bicubic', async () => {
  const { code, stdout } = await evaluate('-m', model, '--data', join(root, 'data'))
  assert.equal(code, 0)
  const score = String.raw`\d\d\.\d\d / 0\.\d{4}`
  assert.match(stdout, /bilinear +bicubic +nearest-x2 +s\/megapixel/)
  assert.match(stdout, new RegExp(`^A +2 +${score} +${score} +${score} +\\d`, 'm'))
  assert.match(stdout, new RegExp(`^B +1 +${score} +${score} +${score} +\\d`, 'm'))
})

test('--json speaks on stdout, picture by picture; --save-images leaves what was compared', async () => {
  const { stdout } = await evaluate('-m', model, '--data', join(root, 'data', 'A'), '--json', '--save-images', join(root, 'saved'))
  const report = JSON.parse(stdout)
  assert.equal(report.model, 'nearest-x2')
  assert.equal(report.provider, 'cpu')
  const [{ set, images, mean }] = report.sets
  assert.deepEqual([set, images.length], ['A', 2])
  assert.equal(mean.model.psnrY, (images[0].figures.model.psnrY + images[1].figures.model.psnrY) / 2)
  for (const kind of ['low', 'bicubic', 'nearest-x2'])
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
  assert.match(stdout, /^damaged +2 /m)
  assert.match(stderr, /z\.png: not-an-image: /)
  assert.deepEqual((await readCard(folder)).scores, [])
})

test('scores at a foreign scale do not go onto the card', async () => {
  const { code, stderr } = await evaluate('-m', model, '--data', join(root, 'data'), '--scale', '3', '--write-card')
  assert.equal(code, 2)
  assert.match(stderr, /invalid-option: --write-card: .*×2, not ×3/)
})

test('a folder without pictures ends with no-images', async () => {
  await mkdir(join(root, 'empty'), { recursive: true })
  const { code, stderr } = await evaluate('-m', model, '--data', join(root, 'empty'))
  assert.equal(code, 1)
  assert.match(stderr, /no-images: --data: .*empty/)
})

test('a new score replaces the old one of its set; those of other sets stay', async () => {
  const { dir, card } = await writeModel(root, { id: 'replaced' })
  const write = (set: string, psnrY: number) => writeScores({ card, folder: dir }, [evaluation(set, psnrY)])
  await write('Set5', 30)
  await write('Set14', 28)
  await write('Set5', 31.23456)
  assert.deepEqual((await readCard(dir)).scores, [
    { set: 'Set14', psnrY: 28, ssimY: 0.9 },
    { set: 'Set5', psnrY: 31.2346, ssimY: 0.9 },
  ])
})

test('a card whose model was replaced meanwhile takes no scores of the old one', async () => {
  const { dir, card } = await writeModel(root, { id: 'other' })
  const measured = { ...card, model: { ...card.model, sha256: '0'.repeat(64) } }
  await assert.rejects(writeScores({ card: measured, folder: dir }, [evaluation('Set5', 30)]), { code: 'model-mismatch' })
  assert.deepEqual((await readCard(dir)).scores, [])
})

function evaluation(name: string, psnrY: number): Evaluation {
  const figures: Figures = { psnrY, ssimY: 0.9, seconds: 1 }
  const images = [{ file: 'a.png', width: 1, height: 1, figures: { bilinear: figures, bicubic: figures, model: figures } }]
  return { set: { name, folder: name, files: ['a.png'] }, images, failures: [] }
}

async function readCard(folder: string): Promise<UpscaleCard> {
  return parseCard(JSON.parse(await readFile(join(folder, 'card.json'), 'utf8')), folder)
}

function evaluate(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [uprez, 'eval', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', text => (stdout += text))
    child.stderr.on('data', text => (stderr += text))
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}
