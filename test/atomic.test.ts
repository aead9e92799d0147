import assert from 'node:assert/strict'
import { chmod, type FileHandle, mkdir, mkdtemp, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkWritable, replaceFolder, settleFolder, temporaryPath, writeAtomic } from '../atomic.js'

describe('the atomic writer', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-atomic-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('writes and replaces, leaving nothing beside the file', async () => {
    const path = join(folder, 'a.png')
    await writeAtomic(path, Buffer.from('one'), '1-1')
    await writeAtomic(path, Buffer.from('two'), '1-2')
    assert.equal(await readFile(path, 'utf8'), 'two')
    assert.deepEqual(await readdir(folder), ['a.png'])
  })

  it('leaves what stands there when it fails, and no temporary file', async () => {
    const taken = join(folder, 'taken')
    await mkdir(join(taken, 'full'), { recursive: true })
    await assert.rejects(writeAtomic(taken, Buffer.from('x'), '1-3'), { code: 'not-writable' })
    assert.deepEqual(await readdir(taken), ['full'])
    assert.deepEqual(
      (await readdir(folder)).filter(name => name.includes('tmp')),
      [],
    )
  })

  it('takes the longest names, of more than one byte a letter as well', async () => {
    for (const name of [`${'x'.repeat(251)}.png`, `${'ö'.repeat(125)}.png`]) {
      await writeAtomic(join(folder, name), Buffer.from('x'), `${2 ** 31}-${2 ** 31}`)
      assert.equal(await readFile(join(folder, name), 'utf8'), 'x')
    }
  })

  it('has temporary names in the same folder, dotted, one for each writer', () => {
    const [a, b] = [temporaryPath('/x/a.png', '12-3'), temporaryPath('/x/a.png', '12-4')]
    assert.notEqual(a, b)
    assert.equal(basename(a), '.a.png.12-3.uprez-tmp')
  })

  it('says before any work that a folder is missing, or is none', async () => {
    await checkWritable(join(folder, 'new.png'))
    await writeFile(join(folder, 'file'), '')
    for (const path of [join(folder, 'none', 'a.png'), join(folder, 'file', 'a.png')]) {
      await assert.rejects(checkWritable(path), { code: 'not-writable', got: path })
    }
  })

  // Permissions do not hold root back.
  it('says that a folder is read-only', { skip: process.getuid?.() === 0 || process.platform === 'win32' }, async () => {
    const locked = join(folder, 'locked')
    await mkdir(locked)
    await chmod(locked, 0o555)
    await assert.rejects(checkWritable(join(locked, 'a.png')), { code: 'not-writable', message: /no permission/ })
    await assert.rejects(writeAtomic(join(locked, 'a.png'), Buffer.from('x'), '1-1'), { code: 'not-writable', message: /no permission/ })
  })

  it('tells a full disk apart', { skip: process.platform !== 'linux' }, async () => {
    // The one file that is always full, under a name in our folder.
    const { symlink } = await import('node:fs/promises')
    await symlink('/dev/full', temporaryPath(join(folder, 'b.png'), '1-9'))
    await assert.rejects(writeAtomic(join(folder, 'b.png'), Buffer.alloc(10), '1-9'), { code: 'no-space' })
  })
})

describe('a folder that is replaced', () => {
  let home: string
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'uprez-replace-'))
  })
  after(() => rm(home, { recursive: true }))

  // Where a system tells what is flushed.
  it('is flushed to the disk before it takes its place, and the place after', { skip: process.platform !== 'linux' }, async context => {
    const parent = join(home, 'flushed')
    await mkdir(parent)
    const handle = await open(parent)
    const prototype: FileHandle = Object.getPrototypeOf(handle)
    await handle.close()
    const { sync } = prototype
    const flushed: string[] = []
    context.mock.method(prototype, 'sync', async function (this: FileHandle) {
      flushed.push(relative(parent, await readlink(`/proc/self/fd/${this.fd}`)).replace(/-[^/]*/, ''))
      await sync.call(this)
    })
    await replaceFolder(join(parent, 'net'), async temporary => {
      await mkdir(join(temporary, 'deep'))
      for (const name of ['a', 'deep/b']) await writeFile(join(temporary, name), name)
    })
    assert.deepEqual(flushed, ['.net.new/a', '.net.new/deep/b', '.net.new/deep', '.net.new', ''])
    assert.deepEqual(await readdir(parent), ['net'])
  })

  /** A folder with folders in it, each with a file that tells its first name. */
  async function folderWith(name: string, names: string[]): Promise<string> {
    for (const inner of names) {
      await mkdir(join(home, name, inner), { recursive: true })
      await writeFile(join(home, name, inner, 'origin'), inner)
    }
    return join(home, name)
  }

  it('stands again where a kill had left its place empty', async () => {
    const parent = await folderWith('empty', ['.net.old-12345678', '.net.new-12345678', '.network.old-12345678'])
    await settleFolder(join(parent, 'net'))
    assert.deepEqual((await readdir(parent)).sort(), ['.network.old-12345678', 'net'])
    assert.equal(await readFile(join(parent, 'net/origin'), 'utf8'), '.net.old-12345678')
  })

  it('stays where it is settled, and what a kill left beside it goes', async () => {
    const parent = await folderWith('taken', ['net', '.net.old-12345678', '.net.new-87654321'])
    await settleFolder(join(parent, 'net'))
    assert.deepEqual(await readdir(parent), ['net'])
    assert.equal(await readFile(join(parent, 'net/origin'), 'utf8'), 'net')
  })
})
