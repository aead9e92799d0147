import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { walk } from '../../batch/walk.js'

/** A folder with these files, each holding its own name. */
async function tree(...files: string[]): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'uprez-walk-')))
  for (const file of files) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), file)
  }
  return root
}

async function placesOf(inputs: string[], options: { recursive?: boolean; exclude?: string } = {}) {
  const { candidates } = await walk(inputs, { recursive: options.recursive ?? false, exclude: options.exclude })
  return candidates.map(({ place }) => place)
}

test('a folder gives its own pictures, and with recursive those of its folders, in one fixed order', async () => {
  const root = await tree('b.png', 'a.jpg', 'sub/c.webp', 'sub/deep/d.tiff')
  assert.deepEqual(await placesOf([root]), ['a.jpg', 'b.png'])
  assert.deepEqual(await placesOf([root], { recursive: true }), ['a.jpg', 'b.png', 'sub/c.webp', 'sub/deep/d.tiff'])
})

test('folders that are not entered and files of other kinds are listed with the reason', async () => {
  const root = await tree('a.png', 'notes.txt', 'noext', 'sub/b.png')
  const { skipped } = await walk([root], { recursive: false, exclude: undefined })
  const reasons = Object.fromEntries(skipped.map(({ path, reason }) => [path.slice(root.length + 1), reason]))
  assert.deepEqual(Object.keys(reasons).sort(), ['noext', 'notes.txt', 'sub'])
  assert.match(reasons['notes.txt']!, /\.txt/)
  assert.match(reasons.sub!, /-r/)
})

test('dotfiles and dot folders are passed over', async () => {
  const root = await tree('.hidden.png', '.folder/a.png', 'a.png')
  assert.deepEqual(await placesOf([root], { recursive: true }), ['a.png'])
})

test('links inside a folder are not followed, so a loop ends', async () => {
  const root = await tree('a.png')
  const elsewhere = await tree('secret.png')
  await symlink(root, join(root, 'loop'))
  await symlink(join(elsewhere, 'secret.png'), join(root, 'secret.png'))
  const { candidates, skipped } = await walk([root], { recursive: true, exclude: undefined })
  assert.deepEqual(
    candidates.map(({ place }) => place),
    ['a.png'],
  )
  assert.equal(skipped.length, 2)
})

test('a link that is named itself is followed', async () => {
  const root = await tree('a.png')
  const link = join(await tree(), 'photos')
  await symlink(root, link)
  assert.deepEqual(await placesOf([link]), ['a.png'])
})

test('the output folder inside the input is not walked', async () => {
  const root = await tree('a.png', 'big/a.png', 'other/b.png')
  assert.deepEqual(await placesOf([root], { recursive: true, exclude: join(root, 'big') }), ['a.png', 'other/b.png'])
  assert.deepEqual(await placesOf([`${root}/**/*.png`], { exclude: join(root, 'big') }), ['a.png', 'other/b.png'])
})

test('where the output folder is the input folder itself, its pictures still count', async () => {
  const root = await tree('a.png')
  assert.deepEqual(await placesOf([root], { exclude: root }), ['a.png'])
  assert.deepEqual(await placesOf([`${root}/*.png`], { exclude: root }), ['a.png'])
})

test('a glob keeps the tree below its first wildcard', async () => {
  const root = await tree('x/a.png', 'x/y/b.png', 'x/y/c.jpg')
  assert.deepEqual(await placesOf([`${root}/x/**/*.png`]), ['a.png', 'y/b.png'])
})

test('braces around folders keep what the folders have in common', async () => {
  const root = await tree('in/x/a.png', 'in/y/b.png', 'in/z/c.png')
  assert.deepEqual(await placesOf([`${root}/{in/x,in/y}/*.png`]), ['in/x/a.png', 'in/y/b.png'])
  assert.deepEqual(await placesOf([`${root}/in/@(x|z)/*.png`]), ['x/a.png', 'z/c.png'])
})

test('a file whose name looks like a glob is a file', async () => {
  const root = await tree('a[1].png', 'a1.png')
  assert.deepEqual(await placesOf([join(root, 'a[1].png')]), ['a[1].png'])
})

test('several folders stay apart under their names', async () => {
  const root = await tree('one/a.png', 'two/a.png')
  assert.deepEqual(await placesOf([join(root, 'one'), join(root, 'two/')]), ['one/a.png', 'two/a.png'])
})

test('a file that several inputs reach counts once', async () => {
  const root = await tree('a.png', 'b.png')
  assert.deepEqual(await placesOf([join(root, 'a.png'), `${root}/*.png`]), ['a.png', 'b.png'])
})

test('a named file counts whatever its extension, a missing one or a glob without matches does not', async () => {
  const root = await tree('picture')
  assert.deepEqual(await placesOf([join(root, 'picture')]), ['picture'])
  await assert.rejects(placesOf([join(root, 'nothing.png')]), { code: 'no-input' })
  await assert.rejects(placesOf([`${root}/*.jpg`]), { code: 'no-input' })
})
