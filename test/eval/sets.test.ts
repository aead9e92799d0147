import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { findSets } from '../../eval/sets.js'

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-sets-'))
})
after(() => rm(root, { recursive: true, force: true }))

test('a folder of pictures is one set, its files in the order of their names', async () => {
  await touch('one/b.png', 'one/a.JPG', 'one/.hidden.png', 'one/notes.txt', 'one/inner/c.png')
  assert.deepEqual(await findSets([join(root, 'one')]), [{ name: 'one', folder: join(root, 'one'), files: ['a.JPG', 'b.png'] }])
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

async function touch(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), '')
  }
}
