import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { findSets } from '../../eval/sets.js'
import { encode } from '../../infer/encode.js'
import { drawPhoto } from '../support/draw.js'

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-sets-'))
})
after(() => rm(root, { recursive: true, force: true }))

test('a folder of pictures is one set, its files in the order of their names', async () => {
  await touch('one/b.png', 'one/a.JPG', 'one/.hidden.png', 'one/notes.txt', 'one/inner/c.png')
  const folder = join(root, 'one')
  const pictures = ['a.JPG', 'b.png'].map(name => ({ name, high: join(folder, name), low: null }))
  assert.deepEqual(await findSets([folder]), [{ name: 'one', folder, pictures, scale: null }])
})

test('a folder of folders stands for those that hold pictures', async () => {
  await touch('many/Set5/a.png', 'many/Set14/b.webp', 'many/papers/c.pdf', 'many/readme.md')
  const sets = await findSets([join(root, 'many')])
  assert.deepEqual(
    sets.map(set => set.name),
    ['Set14', 'Set5'],
  )
})

test('a folder that is missing, or is none, is no input', async () => {
  await touch('file.png')
  await assert.rejects(findSets([join(root, 'nowhere')]), { code: 'no-input', message: /there is no such folder/ })
  await assert.rejects(findSets([join(root, 'file.png')]), { code: 'no-input', message: /it is not a folder/ })
})

test('a folder without pictures has no images', async () => {
  await touch('empty/inner/notes.txt')
  await assert.rejects(findSets([join(root, 'empty')]), { code: 'no-images', got: join(root, 'empty') })
})

test('two sets of one name are refused: their scores could not be told apart', async () => {
  await touch('left/Set5/a.png', 'right/Set5/a.png')
  await assert.rejects(findSets([join(root, 'left'), join(root, 'right', 'Set5')]), { code: 'invalid-option', got: 'Set5' })
})

test('lq and gt in a folder are pairs, matched by name; the scale is that of the first', async () => {
  const folder = join(root, 'degraded', 'Set5')
  await write(join(folder, 'gt', 'a.png'), 60, 40)
  await write(join(folder, 'gt', 'b.png'), 62, 43)
  await write(join(folder, 'lq', 'a.jpg'), 20, 13)
  await write(join(folder, 'lq', 'b.png'), 20, 14)
  const [set] = await findSets([join(root, 'degraded')])
  assert.deepEqual(set, {
    name: 'Set5',
    folder,
    scale: 3,
    pictures: [
      { name: 'a.png', high: join(folder, 'gt/a.png'), low: join(folder, 'lq/a.jpg') },
      { name: 'b.png', high: join(folder, 'gt/b.png'), low: join(folder, 'lq/b.png') },
    ],
  })
})

test('a broken first pair does not hide the scale of the others; where none can be read, the folder is named', async () => {
  const folder = join(root, 'cracked')
  await write(join(folder, 'gt', 'b.png'), 60, 40)
  await write(join(folder, 'lq', 'b.png'), 20, 13)
  await touch('cracked/gt/a.png', 'cracked/lq/a.png')
  const [set] = await findSets([folder])
  assert.deepEqual([set!.scale, set!.pictures.length], [3, 2])
  await touch('shattered/gt/a.png', 'shattered/lq/a.png')
  await assert.rejects(findSets([join(root, 'shattered')]), { code: 'no-images', message: /shattered: no pair can be read/ })
})

test('a picture without its partner is named', async () => {
  await touch('torn/gt/a.png', 'torn/gt/b.png', 'torn/lq/a.png')
  await assert.rejects(findSets([join(root, 'torn')]), { code: 'invalid-option', message: /gt\/b\.png has no partner in lq/ })
  await touch('more/gt/a.png', 'more/lq/a.png', 'more/lq/b.png')
  await assert.rejects(findSets([join(root, 'more')]), { code: 'invalid-option', message: /do not hold the same names/ })
  await mkdir(join(root, 'none/lq'), { recursive: true })
  await mkdir(join(root, 'none/gt'), { recursive: true })
  await assert.rejects(findSets([join(root, 'none')]), { code: 'invalid-option' })
})

async function write(path: string, width: number, height: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, await encode(drawPhoto(width, height), path.endsWith('jpg') ? 'jpg' : 'png', undefined, {}))
}

async function touch(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), '')
  }
}
