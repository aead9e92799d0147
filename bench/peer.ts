import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * A program that is measured in a process of its own: it says a first line when it is ready and then answers every line with a
 * line, all of them JSON. It ends when its standard input does. Node and Python programs alike.
 */
export interface Peer<Ready> {
  ready: Ready
  ask<Answer>(question: object): Promise<Answer>
  close(): Promise<void>
}

/** Rejects with the program's last words where it ends before it is ready. */
export async function startPeer<Ready>(command: string, args: string[]): Promise<Peer<Ready>> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000)
  })
  let failure: Error | undefined
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  const fail = (error: Error) => {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
  }
  createInterface({ input: child.stdout }).on('line', line => waiting.shift()?.resolve(line))
  child.on('error', fail)
  child.stdin.on('error', fail)
  const gone = new Promise<void>(resolve => child.on('close', () => resolve()))
  child.on('close', (code, signal) => {
    const reason = /^\w*Error: .*$/m.exec(words)?.[0] ?? words.trim().split('\n').at(-1)
    fail(new Error(reason || `${command} ended: ${signal ?? `exit code ${code}`}`))
  })

  const answer = () => new Promise<string>((resolve, reject) => (failure ? reject(failure) : waiting.push({ resolve, reject })))
  const ready = JSON.parse(await answer()) as Ready
  return {
    ready,
    async ask<Answer>(question: object) {
      const said = answer()
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return JSON.parse(await said) as Answer
    },
    async close() {
      child.stdin.end()
      await gone
    },
  }
}

/** The other side, for programs in Node: says `ready`, then answers question after question. */
export async function serveLines<Question>(ready: object, answer: (question: Question) => Promise<object>): Promise<void> {
  console.log(JSON.stringify(ready))
  for await (const line of createInterface({ input: process.stdin }))
    console.log(JSON.stringify(await answer(JSON.parse(line) as Question)))
}
