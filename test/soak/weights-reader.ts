import { readWeights } from '../../export/adopt.js'
import { recognise } from '../../nets/community/index.js'

/** A child process that reads each file of weights it is told, and says what came of it. */
export interface Verdict {
  /** `read`, the code of the error, or the stack of one that has none. */
  outcome: string
  /** Bytes of memory at most so far. */
  peak: number
}

process.on('message', async (path: string) => {
  const outcome = await outcomeOf(path)
  process.send!({ outcome, peak: process.resourceUsage().maxRSS * 1024 } satisfies Verdict)
})

async function outcomeOf(path: string): Promise<string> {
  try {
    recognise(await readWeights(path), path)
    return 'read'
  } catch (error) {
    const { code, stack } = error as { code?: string; stack: string }
    return code ?? stack
  }
}
