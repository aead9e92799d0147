import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Entry } from '../../batch/manifest.js'
import { MANIFEST, openManifest, readManifest, sameInput, sameRecipe } from '../../batch/manifest.js'

const folder = () => mkdtemp(join(tmpdir(), 'uprez-manifest-'))
const entry = (place: string, more: Partial<Entry> = {}): Entry => ({
  output: place,
  input: place,
  size: 10,
  mtimeMs: 1000,
  header: { format: 'png', width: 3, height: 4 },
  recipe: { model: 'm', sha256: 'ab', scale: 4, format: 'png', quality: null },
  ...more,
})

async function write(path: string, ...entries: Entry[]) {
  const writer = await openManifest(path)
  for (const one of entries) await writer.append(one)
  await writer.close()
}

test('what was appended is read back, under its output and its input', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 8 }), async places => {
      const path = await folder()
      await write(path, ...places.map(place => entry(place)))
      const { byOutput, byInput } = await readManifest(path)
      assert.deepEqual(
        [...byOutput.values()],
        places.map(place => entry(place)),
      )
      assert.deepEqual([...byInput.keys()], places)
    }),
    { numRuns: 20 },
  )
})

test('a missing manifest is an empty one', async () => {
  assert.equal((await readManifest(join(await folder(), 'nowhere'))).byOutput.size, 0)
})

test('a folder that is not there yet is made, a manifest that cannot be used is told', async () => {
  const path = await folder()
  await write(join(path, 'new/deep'), entry('a'))
  assert.equal((await readManifest(join(path, 'new/deep'))).byOutput.size, 1)
  await mkdir(join(path, MANIFEST))
  await assert.rejects(readManifest(path), { code: 'not-writable' })
  await assert.rejects(openManifest(path), { code: 'not-writable' })
})

test('the last entry for an output counts', async () => {
  const path = await folder()
  await write(path, entry('a'), entry('a', { size: 11 }))
  assert.equal((await readManifest(path)).byOutput.get('a')!.size, 11)
})

test('wherever a killed run tore the last line, the lines before it and after it count', async () => {
  const line = JSON.stringify(entry('torn'))
  for (let length = 0; length < line.length; length++) {
    const path = await folder()
    await write(path, entry('a'))
    await appendFile(join(path, MANIFEST), line.slice(0, length))
    await write(path, entry('b'))
    assert.deepEqual([...(await readManifest(path)).byOutput.keys()], ['a', 'b'])
  }
})

test('an output that was begun is ours and not done until it is finished; what is known of its input stays', async () => {
  const path = await folder()
  const begun = { output: 'a', pending: true }
  await write(path, entry('a'), entry('b'))
  const writer = await openManifest(path)
  await writer.begin('a')
  await writer.begin('c')
  await writer.close()
  const { byOutput, byInput, begun: ours } = await readManifest(path)
  assert.deepEqual([[...byOutput.keys()], [...byInput.keys()], [...ours]], [['b'], ['a', 'b'], ['a', 'b', 'c']])
  assert.deepEqual(JSON.parse((await readFile(join(path, MANIFEST), 'utf8')).split('\n')[2]!), begun)
  await write(path, entry('a', { size: 11 }))
  assert.equal((await readManifest(path)).byOutput.get('a')!.size, 11)
})

test('lines that are no entries are passed over', async () => {
  const path = await folder()
  await writeFile(join(path, MANIFEST), `null\n{}\n[1]\n"text"\n${JSON.stringify(entry('a'))}\n`)
  assert.deepEqual([...(await readManifest(path)).byOutput.keys()], ['a'])
})

test('the manifest is one JSON object a line', async () => {
  const path = await folder()
  await write(path, entry('a'), entry('b\nc'))
  assert.deepEqual(
    (await readFile(join(path, MANIFEST), 'utf8'))
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line)),
    [entry('a'), entry('b\nc')],
  )
})

test('another size, time or place is another input; another sum, size, format, quality, depth, density or -x another recipe', () => {
  const one = entry('a')
  const input = { place: 'a', size: 10, mtimeMs: 1000 }
  assert.equal(sameInput(one, input), true)
  for (const change of [{ place: 'b' }, { size: 11 }, { mtimeMs: 1001 }]) assert.equal(sameInput(one, { ...input, ...change }), false)
  assert.equal(sameRecipe(one.recipe, { ...one.recipe, model: 'renamed' }), true)
  // A line of before there was a choice.
  assert.equal(sameRecipe(one.recipe, { ...one.recipe, depth: 'auto', dpi: 'keep', tta: false }), true)
  for (const change of [
    { sha256: 'cd' },
    { scale: 2 },
    { width: 4 },
    { height: 4 },
    { longest: 4 },
    { tta: true },
    { format: 'jpg' as const },
    { quality: 90 },
    { depth: 16 as const },
    { dpi: 300 },
  ]) {
    assert.equal(sameRecipe(one.recipe, { ...one.recipe, ...change }), false)
  }
})
