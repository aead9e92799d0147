import { UprezError } from '../errors.js'

/** Node's timers count milliseconds in 31 bits. */
const LONGEST_DAYS = 24

/**
 * Reads a length of time such as `90m`, `1h30m`, `45s`, `2d`.
 * @param param the option it was given for
 * @returns milliseconds
 * @throws UprezError `invalid-option`
 */
export function parseDuration(text: string, param: string): number {
  const match = text.match(/^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/)
  const [days, hours, minutes, seconds] = (match ?? []).slice(1).map(part => Number(part ?? 0))
  const total = match ? (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1000 : 0
  if (total > 0 && total <= LONGEST_DAYS * 86_400_000) return total
  throw new UprezError('invalid-option', `${param} takes a length of time, not ${text}`, {
    param,
    expected: `for example 90m, 1h30m or 45s, up to ${LONGEST_DAYS}d`,
    got: text,
  })
}

/** 65 → `1m05s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const s = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  if (s < 60) return `${s}s`
  return s < 3600 ? `${Math.floor(s / 60)}m${two(s % 60)}s` : `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`
}
