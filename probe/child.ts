import { readFile } from 'node:fs/promises'
import { type PlainError, plainError, UprezError } from '../errors.js'
import { type Measured, measureModel } from './measure.js'
import { readOnnx } from './onnx-file.js'

/** Measures one file in a process of its own: ONNX Runtime blocks it, and may take it along. See ask-child.ts for the other side. */

export type FromChild = { kind: 'stage'; stage: string } | { kind: 'done'; measured: Measured } | { kind: 'failed'; error: PlainError }

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

await run(process.argv[2]!)
  .then(measured => say({ kind: 'done', measured }))
  .catch((error: unknown) => {
    // A bug of ours loses its stack on the way to the parent.
    if (!(error instanceof UprezError)) console.error(error)
    return say({ kind: 'failed', error: plainError(error) })
  })
process.exit(0)

async function run(file: string): Promise<Measured> {
  const bytes = await readFile(file)
  return measureModel(bytes, readOnnx(bytes, file), stage => say({ kind: 'stage', stage }))
}

function say(message: FromChild): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, undefined, () => resolve()))
}
