import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import sharp from 'sharp'
import { createShelf, type Shelf } from '../../serve/models.js'
import { findOffered } from '../../serve/offered.js'
import { keepShelf, type ShelfKeeper } from '../../serve/shelf-keeper.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { run } from './program.js'
import { encode, form, problemOf } from './support.js'

/** Models that come, change and go while the server runs. */

let root: string
let folder: string
let count = 0
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'uprez-shelf-'))
})
after(() => rm(root, { recursive: true }))
beforeEach(async () => {
  folder = join(root, String(++count))
  await writeModel(folder, { id: 'one', scale: 2 })
})

interface Kept {
  shelf: Shelf
  keeper: ShelfKeeper
  /** `id@version` of the models that nobody will ask for again. */
  gone: string[]
  said: string[]
  /** Resolves when a line that matches has been said. */
  says(pattern: RegExp): Promise<void>
}

async function kept(use: (kept: Kept) => Promise<void>): Promise<void> {
  const { models } = await findOffered({ modelPath: folder }, [])
  const shelf = createShelf(models, 'one')
  const said: string[] = []
  const gone: string[] = []
  let tell = () => {}
  const keeper = keepShelf(
    shelf,
    { modelPath: folder },
    {
      onGone: ({ card, version }) => gone.push(`${card.id}@${version}`),
      say: line => {
        said.push(line)
        tell()
      },
    },
  )
  const says = (pattern: RegExp) =>
    new Promise<void>(resolve => {
      tell = () => said.some(line => pattern.test(line)) && resolve()
      tell()
    })
  // The keeper keeps no process alive, as the server would.
  const hold = setInterval(() => {}, 1000)
  try {
    await use({ shelf, keeper, gone, said, says })
  } finally {
    clearInterval(hold)
    keeper.close()
  }
}

const nameOf = (shelf: Shelf, id: string) => `${id}@${shelf.find(id).version}`

test('a model that is added, changed or taken away is seen by itself, and the default stays the default', { timeout: 30_000 }, async () => {
  await kept(async ({ shelf, gone, says }) => {
    await writeModel(folder, { id: 'another', scale: 4 })
    await says(/new another/)
    assert.equal(shelf.find('another').card.scale, 4)
    assert.equal(shelf.find(undefined).card.id, 'one')

    const before = nameOf(shelf, 'one')
    await writeModel(folder, { id: 'one', scale: 3 })
    await says(/new one/)
    assert.equal(shelf.find(undefined).card.scale, 3)
    assert.deepEqual(gone, [before])

    const last = nameOf(shelf, 'one')
    await rm(join(folder, 'one'), { recursive: true })
    await says(/new none; gone one/)
    assert.throws(() => shelf.find(undefined), { code: 'unknown-model', got: 'one' })
    assert.equal(shelf.find('another').card.scale, 4)
    assert.deepEqual(gone, [before, last])
  })
})

test('half a model is skipped with one line, and what was there before stays until it is whole', async () => {
  await kept(async ({ shelf, keeper, said, gone }) => {
    await keeper.refresh()
    const { dir } = await writeModel(join(root, 'new'), { id: 'one', scale: 3 })
    const before = nameOf(shelf, 'one')
    await cp(join(dir, 'card.json'), join(folder, 'one/card.json'))
    const graph = await readFile(join(dir, 'model.onnx'))
    for (const bytes of [10, 100, 200]) {
      await writeFile(join(folder, 'one/model.onnx'), graph.subarray(0, bytes))
      await keeper.refresh()
      assert.equal(shelf.find('one').card.scale, 2)
    }
    assert.equal(said.filter(line => /model skipped: .*model\.onnx: expected \d+ bytes/.test(line)).length, 1)
    await writeFile(join(folder, 'one/model.onnx'), graph)
    await keeper.refresh()
    assert.equal(shelf.find('one').card.scale, 2)
    await cp(join(dir, 'model.uint8.onnx'), join(folder, 'one/model.uint8.onnx'))
    await keeper.refresh()
    assert.equal(shelf.find('one').card.scale, 3)
    assert.deepEqual(gone, [before])
  })
})

test('a file of the right size and the wrong content is not offered, nor is half a card', async () => {
  await kept(async ({ shelf, keeper, said }) => {
    const { dir } = await writeModel(folder, { id: 'forged' })
    const file = join(dir, 'model.uint8.onnx')
    const bytes = await readFile(file)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(file, bytes)
    await writeFile(join(folder, 'one/card.json'), '{"cardVersion": 1, ')
    await keeper.refresh()
    assert.throws(() => shelf.find('forged'), { code: 'unknown-model' })
    assert.equal(shelf.find('one').card.scale, 2)
    assert.ok(said.some(line => /model skipped: .*forged.*sha256/.test(line)))
    assert.ok(said.some(line => /model skipped: .*one.card\.json: /.test(line)))
  })
})

test('while nothing changes nothing is said, and a folder that goes away takes no model along', async () => {
  await kept(async ({ shelf, keeper, said, gone }) => {
    await keeper.refresh()
    await keeper.refresh()
    assert.deepEqual(said, [])
    await rename(folder, `${folder}-away`)
    await keeper.refresh()
    assert.match(said[0]!, /models stay as they are/)
    assert.equal(shelf.find('one').card.scale, 2)
    assert.deepEqual(gone, [])
  })
})

test('under load a model is exchanged five times and taken away: no request fails, each sees one version', {
  timeout: 120_000,
}, async () => {
  const versions = await Promise.all([2, 3].map(scale => writeModel(join(root, `v${scale}`), { id: 'one', scale })))
  await writeModel(folder, { id: 'other' })
  await rm(join(folder, 'one'), { recursive: true })
  await symlink(versions[0]!.dir, join(folder, 'one'))
  const server = run(['--port', '0', '-m', folder, '-n', 'one'], { UPREZ_LOG: 'silent' })
  const [, port] = await server.says(/localhost:(\d+)\/ is ready/)
  const url = `http://127.0.0.1:${port}/upscale`
  const picture = drawPhoto(24, 16)
  const png = await encode(picture)
  const seen = new Map<number, number>()
  let over = false

  const ask = async () => {
    while (!over) {
      const answer = await fetch(url, { method: 'POST', body: form(png) })
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
      const told = Number(answer.headers.get('x-uprez-width'))
      const { data, info } = await sharp(Buffer.from(await answer.arrayBuffer()))
        .raw()
        .toBuffer({ resolveWithObject: true })
      assert.equal(info.width, told)
      const scale = info.width / 24
      // Both versions repeat pixels, so each answer can be told right or wrong.
      const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)]
      assert.deepEqual(at(5 * scale + 1, 7 * scale + 1), [...picture.data.subarray((7 * 24 + 5) * 3, (7 * 24 + 5) * 3 + 3)])
      seen.set(scale, (seen.get(scale) ?? 0) + 1)
    }
  }
  const sees = async (scale: number) => {
    for (const before = seen.get(scale) ?? 0; (seen.get(scale) ?? 0) === before; ) await Promise.race([new Promise(setImmediate), load])
  }
  const load = Promise.all([ask(), ask(), ask(), ask()])
  load.catch(() => {})

  await sees(2)
  for (let swap = 1; swap <= 5; swap++) {
    const { dir } = versions[swap % 2]!
    if (swap < 4) {
      await symlink(dir, join(folder, '.next'))
      await rename(join(folder, '.next'), join(folder, 'one'))
    } else {
      // The way of a folder, which cannot replace another: for a moment nothing is there.
      await cp(dir, join(folder, '.next'), { recursive: true })
      await rename(join(folder, 'one'), join(folder, `.old${swap}`))
      await rename(join(folder, '.next'), join(folder, 'one'))
    }
    await sees(swap % 2 === 1 ? 3 : 2)
  }
  over = true
  await load
  assert.ok(seen.get(2)! > 2 && seen.get(3)! > 3, JSON.stringify([...seen]))
  assert.deepEqual([...seen.keys()].sort(), [2, 3])

  await mkdir(join(root, 'away'), { recursive: true })
  await rename(join(folder, 'one'), join(root, 'away/one'))
  server.child.kill('SIGHUP')
  await server.says(/new none; gone one/)
  const gone = await fetch(url, { method: 'POST', body: form(png) })
  assert.equal((await problemOf(gone)).code, 'unknown-model')
  assert.equal((await fetch(`${url}?model=other`, { method: 'POST', body: form(png) })).status, 200)
  server.child.kill('SIGTERM')
  assert.deepEqual(await server.exit, [0, null])
})
