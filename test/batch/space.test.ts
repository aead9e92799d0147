import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inTime } from '../../batch/progress.js'
import { checkFolder, checkSpace, inUnits } from '../../batch/space.js'

test('more bytes than the disk has free are refused, with both numbers', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'uprez-space-')), 'not/there/yet')
  await checkSpace(folder, 1)
  await assert.rejects(checkSpace(folder, 1e18), { code: 'no-space', expected: '1000000.0 TB', message: /1000000\.0 TB.* are free/ })
})

test('a folder that could be made passes, one below a file does not', async () => {
  const root = await mkdtemp(join(tmpdir(), 'uprez-folder-'))
  await checkFolder(join(root, 'a/b'))
  await writeFile(join(root, 'file'), '')
  await assert.rejects(checkFolder(join(root, 'file')), { code: 'not-writable' })
  await assert.rejects(checkFolder(join(root, 'file/below')), { code: 'not-writable' })
})

test('sizes and times are told in units that people read', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 2.5e9].map(inUnits), ['0 B', '999 B', '1.0 kB', '1.2 MB', '2.5 GB'])
  assert.deepEqual([0, 0.2, 59, 61, 3600, 7325].map(inTime), ['0 s', '1 s', '59 s', '1 min 1 s', '1 h 0 min', '2 h 2 min'])
})
