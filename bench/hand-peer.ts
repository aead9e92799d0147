import { fileURLToPath } from 'node:url'
import type { HandAnswer, HandQuestion } from './hand.js'
import { STYLES, type Style } from './hand-loop.js'
import type { Peer } from './peer.js'
import { startPeer } from './peer.js'
import type { Setting } from './setting.js'

const program = fileURLToPath(new URL('./hand.js', import.meta.url))

export function startHand(style: Style, { threads, graph }: Setting): Promise<Peer<object>> {
  return startPeer(process.execPath, [program, style, String(threads), graph])
}

/**
 * The hand-written loop in its fastest style for such questions: the peer that has to be beaten.
 * @returns that one, warm; the others are closed
 */
export async function startFastestHand(question: HandQuestion, setting: Setting): Promise<{ style: Style; hand: Peer<object> }> {
  const timed: { style: Style; hand: Peer<object>; seconds: number }[] = []
  // Without pictures to decode and encode, `whole` is `workers`.
  const styles = question.kind === 'windows' ? STYLES.filter(style => style !== 'whole') : STYLES
  for (const style of setting.quick ? (['workers'] as const) : styles) {
    const hand = await startHand(style, setting)
    await hand.ask<HandAnswer>(question)
    const { seconds } = await hand.ask<HandAnswer>(question)
    setting.say(`hand-written loop, ${style}: ${seconds.toFixed(2)} s`)
    timed.push({ style, hand, seconds })
  }
  timed.sort((a, b) => a.seconds - b.seconds)
  const [fastest, ...others] = timed
  for (const { hand } of others) await hand.close()
  return fastest!
}

/** What the peer of a row was, in words. */
export function handInWords(style: Style, threads: number): string {
  const ways: Record<Style, string> = {
    session: `one ONNX Runtime session of ${threads} threads in the main thread`,
    workers: `${threads} worker threads with an ONNX Runtime session of one thread each`,
    whole: `${threads} worker threads that each decode, run an ONNX Runtime session of one thread, and encode`,
  }
  return ways[style]
}
