import type { OutputFormat } from '../infer/engine.js'

/** A name to save the result under: the input's name, by how much it grew, the new ending. */
export function resultName(inputName: string | undefined, scale: number, format: OutputFormat): string {
  const leaf = (inputName ?? '').split(/[/\\]/).at(-1)!
  const stem = leaf.replace(/\.[^.]*$/, '').replace(/[\p{Cc}\p{Cs}"<>:|?*]/gu, '')
  const short = [...stem].slice(0, 100).join('') || 'image'
  return `${short}-${Number(scale.toFixed(2))}x.${format}`
}

/** RFC 6266: shown in place; the name once for old readers (ASCII) and once in full (UTF-8). */
export function contentDisposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const full = encodeURIComponent(name).replace(/['()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `inline; filename="${ascii}"${ascii === name ? '' : `; filename*=UTF-8''${full}`}`
}
