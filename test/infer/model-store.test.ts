import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { UprezError } from '../../errors.js'
import { createModelStore } from '../../infer/model-store.js'
import { createPatience } from '../../infer/patience.js'
import { findModel } from '../../models/catalog.js'
import { writeModel } from '../support/model.js'

let folder: string
let places: string[]
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-store-'))
  places = await Promise.all(['a', 'b', 'c'].map(async id => (await writeModel(folder, { id })).dir))
})
after(() => rm(folder, { recursive: true }))

const patience = createPatience(() => {})
const versionOf = async (place: string) => (await findModel(`${place}/card.json`)).version

/** ONNX Runtime's threads as the store sees them: what is in them, and what was asked of them. */
function threads() {
  const inside = new Set<string>()
  const log: string[] = []
  const idOf = (name: string) => name.slice(folder.length + 1).replace(/@.*/, '')
  return {
    inside,
    log,
    count: 1,
    load: async (name: string) => {
      log.push(`load ${idOf(name)}`)
      inside.add(name)
    },
    release: async (name: string) => {
      log.push(`release ${idOf(name)}`)
      inside.delete(name)
    },
  }
}

/** Room for two of these models. */
const TWO = 2.5 * 200 * 2 ** 20

describe('the models in memory', () => {
  it('are loaded once, however many ask at once', async () => {
    const ort = threads()
    const store = createModelStore(ort, TWO)
    const [a, again] = await Promise.all([store.use(places[0]!, undefined, patience), store.use(places[0]!, undefined, patience)])
    assert.deepEqual(ort.log, ['load a'])
    assert.equal(a.session, again.session)
    assert.deepEqual(
      store.list().map(({ id, version }) => [id, version]),
      [['a', await versionOf(places[0]!)]],
    )
  })

  it('have a session of their own for pictures of 16 bits, of the canonical file, and forget both', async () => {
    const ort = threads()
    const store = createModelStore(ort, 2 * TWO)
    const version = await versionOf(places[0]!)
    const { model, variants } = (await findModel(`${places[0]}/card.json`)).card
    const eight = await store.use(places[0]!, version, patience)
    const sixteen = await store.use(places[0]!, version, patience, 16)
    assert.deepEqual([eight.sha256, sixteen.sha256], [variants.uint8!.sha256, model.sha256])
    assert.equal((await store.use(places[0]!, undefined, patience, 16)).session, sixteen.session)
    assert.deepEqual(ort.log, ['load a', 'load a'])
    store.forget(places[0]!, version)
    eight.done()
    assert.deepEqual([...ort.inside], [sixteen.session])
  })

  it('make room for each other, the least recently used first', async () => {
    const ort = threads()
    const store = createModelStore(ort, TWO)
    const touch = async (place: string) => (await store.use(place, undefined, patience)).done()
    for (const place of [places[0]!, places[1]!, places[0]!, places[2]!]) await touch(place)
    assert.deepEqual(ort.log, ['load a', 'load b', 'load c', 'release b'])
    await touch(places[1]!)
    assert.deepEqual(ort.log.slice(4), ['load b', 'release a'])
  })

  it('stay while a job uses them, even beyond the budget', async () => {
    const ort = threads()
    const store = createModelStore(ort, 0)
    const used = [await store.use(places[0]!, undefined, patience), await store.use(places[1]!, undefined, patience)]
    assert.deepEqual(ort.log, ['load a', 'load b'])
    used[0]!.done()
    assert.deepEqual(ort.log.slice(2), ['release a'])
    used[1]!.done()
    assert.equal(ort.inside.size, 0)
    assert.deepEqual(store.list(), [])
  })

  it('that nobody will ask for again go when the last job is done with them', async () => {
    const ort = threads()
    const store = createModelStore(ort, TWO)
    const version = await versionOf(places[0]!)
    const used = await store.use(places[0]!, version, patience)
    store.forget(places[0]!, version)
    store.forget(places[0]!, 'never was')
    assert.deepEqual(ort.log, ['load a'])
    used.done()
    assert.deepEqual(ort.log, ['load a', 'release a'])
  })

  it('are forgotten where loading fails, so that a mended model needs no restart', async () => {
    const ort = threads()
    let broken = true
    const load = (name: string) => (broken ? Promise.reject(new UprezError('model-mismatch', 'no graph')) : ort.load(name))
    const store = createModelStore({ ...ort, load }, TWO)
    const both = [store.use(places[0]!, undefined, patience), store.use(places[0]!, undefined, patience)]
    for (const each of both) await assert.rejects(each, { code: 'model-mismatch' })
    broken = false
    await store.use(places[0]!, undefined, patience)
    assert.equal(ort.inside.size, 1)
  })
})

describe('a model that is exchanged', () => {
  it('serves the jobs of its version as long as it is loaded, and its successor serves the others', async () => {
    const place = (await writeModel(folder, { id: 'swap', scale: 2 })).dir
    const store = createModelStore(threads(), TWO)
    const old = await versionOf(place)
    const first = await store.use(place, old, patience)
    await writeModel(folder, { id: 'swap', scale: 3 })
    const fresh = await versionOf(place)
    assert.equal((await store.card(place, old)).scale, 2)
    assert.equal((await store.card(place, fresh)).scale, 3)
    const second = await store.use(place, fresh, patience)
    assert.deepEqual([first.card.scale, second.card.scale], [2, 3])
    assert.notEqual(first.session, second.session)
    assert.equal((await store.use(place, old, patience)).session, first.session)
  })

  it('is made by what lies there now where its version is gone before it was loaded', async () => {
    const place = (await writeModel(folder, { id: 'gone', scale: 2 })).dir
    const old = await versionOf(place)
    await writeModel(folder, { id: 'gone', scale: 3 })
    assert.equal((await createModelStore(threads(), TWO).use(place, old, patience)).card.scale, 3)
  })

  it('is found though its folder is not there for a moment, or its files are not complete', async () => {
    const place = (await writeModel(folder, { id: 'moment' })).dir
    const version = await versionOf(place)
    await rename(place, `${place}-away`)
    const store = createModelStore(threads(), TWO)
    const used = store.use(place, version, patience)
    const card = store.card(place, version)
    await new Promise(setImmediate)
    await rename(`${place}-away`, place)
    assert.equal((await card).id, 'moment')
    assert.equal((await used).card.id, 'moment')

    const file = join(place, 'model.uint8.onnx')
    const bytes = await readFile(file)
    await writeFile(file, bytes.subarray(0, 100))
    const other = createModelStore(threads(), TWO).use(place, version, patience)
    await new Promise(setImmediate)
    await writeFile(file, bytes)
    assert.equal((await other).card.id, 'moment')
  })

  it('that is really gone is unknown', async () => {
    const store = createModelStore(threads(), TWO)
    await assert.rejects(store.use(join(folder, 'nowhere'), 'some version', patience), { code: 'unknown-model' })
  })
})
