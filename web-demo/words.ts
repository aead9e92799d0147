import type { Progress, Running, UpscaleResult } from '../web/upscaler.js'

/** What the page says, in words. */

export function runningInWords({ provider, threads }: Running): string {
  return provider === 'webgpu' ? 'WebGPU' : `wasm × ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}

/** What is worth knowing about how it ran, or null. */
export function noteInWords({ provider, threads, fallback }: Running, isolated: boolean): string | null {
  const gpu = fallback ? `Runs without WebGPU: ${fallback}.` : ''
  const single = isolated
    ? ''
    : 'One thread only: this host does not send the COOP and COEP headers that wasm threads need. “uprez serve” sends them.'
  const note = provider === 'wasm' && threads === 1 ? [single, gpu].filter(Boolean).join(' ') : gpu
  return note || null
}

export function progressInWords({ done, total }: Progress, milliseconds: number): string {
  if (done === total) return 'Writing the file…'
  const tiles = total === 1 ? 'One tile' : `Tile ${done + 1} of ${total}`
  if (done === 0) return tiles
  return `${tiles} · about ${durationInWords((milliseconds / done) * (total - done))} left`
}

export function durationInWords(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 90) return `${Math.round(seconds)} s`
  return `${Math.round(seconds / 60)} min`
}

export function bytesInWords(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

export function factsInWords(result: UpscaleResult, inputBytes: number): [name: string, value: string][] {
  return [
    ['Size', `${result.input.width} × ${result.input.height} → ${result.width} × ${result.height}`],
    [
      'File',
      `${formatName(result.input.format)} ${bytesInWords(inputBytes)} → ${formatName(result.format)} ${bytesInWords(result.blob.size)}`,
    ],
    ['Time', durationInWords(result.milliseconds)],
    ['Runs on', runningInWords(result)],
    ['Model', result.model],
  ]
}

const formatName = (format: string) => ({ png: 'PNG', jpg: 'JPEG', webp: 'WebP', avif: 'AVIF' })[format] ?? format

/** `photo.jpg` enlarged 4 times becomes `photo-x4.jpg`. */
export function resultName(name: string, result: UpscaleResult): string {
  const factor = Math.round((result.width / result.input.width) * 100) / 100
  return `${name.replace(/\.[^.]*$/, '') || 'picture'}-x${factor}.${result.format}`
}
