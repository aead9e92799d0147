import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockRun } from '../../train/lock.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()

async function folderWith(name: string, lock?: string): Promise<string> {
  const folder = join(home, name)
  await mkdir(folder)
  if (lock !== undefined) await writeFile(join(folder, '.lock'), lock)
  return folder
}

test('a folder is taken once; given back, it can be taken again', async () => {
  const folder = await folderWith('once')
  const release = await lockRun(folder)
  await assert.rejects(lockRun(folder), {
    code: 'output-exists',
    message: new RegExp(`process ${process.pid} is training in .*remove .*\\.lock`),
  })
  await release()
  assert.deepEqual(await readdir(folder), [])
  await (await lockRun(folder))()
})

test('the lock of a process that is gone is taken over, by one alone', async () => {
  const { pid } = spawnSync(process.execPath, ['--version'])
  const gone = JSON.stringify({ pid, host: hostname(), started: '1' })
  const folder = await folderWith('gone', gone)
  const takers = await Promise.allSettled(Array.from({ length: 20 }, () => lockRun(folder)))
  assert.equal(takers.filter(({ status }) => status === 'fulfilled').length, 1)
  assert.deepEqual(await readdir(folder), ['.lock'])
  assert.equal(JSON.parse(await readFile(join(folder, '.lock'), 'utf8')).pid, process.pid)
})

test('a process that has got the number of one that is gone does not hold its lock', {
  skip: process.platform !== 'linux' && 'only Linux tells when a process began',
}, async () => {
  const folder = await folderWith('same-number', JSON.stringify({ pid: process.pid, host: hostname(), started: '1' }))
  await lockRun(folder)
})

test('whether a process on another machine lives cannot be known: its lock holds', async () => {
  const folder = await folderWith('elsewhere', JSON.stringify({ pid: 1, host: 'another-machine', started: null }))
  await assert.rejects(lockRun(folder), { code: 'output-exists', message: /process 1 on another-machine/ })
})

test('a lock without its text is being written, unless it has been so for long', async () => {
  const folder = await folderWith('half', '')
  await assert.rejects(lockRun(folder), { code: 'output-exists', message: /another process/ })
  await utimes(join(folder, '.lock'), 0, 0)
  await lockRun(folder)
})

test('a folder that is not there is not-writable', async () => {
  await assert.rejects(lockRun(join(home, 'nowhere')), { code: 'not-writable' })
})
