import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import type { Task } from '../../batch/plan.js'
import { showProgress } from '../../batch/progress.js'
import { UprezError } from '../../errors.js'

const task = { source: { path: 'in/a.png' }, entry: { header: { width: 3, height: 2 } } } as Task

test('what is said beside the bar of a terminal stays to be read, also when the run ends in the same moment', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  const progress = showProgress([task], stream as unknown as NodeJS.WriteStream)
  progress.failed(task, new UprezError('broken-image', 'torn'))
  progress.say('stopping; Ctrl-C again ends at once')
  progress.stop()
  const shown = stripVTControlCharacters(String(stream.read()))
  assert.match(shown, /in\/a\.png: broken-image: torn\nstopping; Ctrl-C again ends at once\n.*1\/1 pictures/)
})
