import { type Image, type Pixels, sameType } from '../image/image.js'
import type { Rect, Tile } from './tiles.js'

/** Which samples of a pixel are the red, green and blue of the model's window, or the one grey: `[0, 1, 2]`, `[0]`, `[3]` for alpha. */
export type Layer = readonly [number] | readonly [number, number, number]

/**
 * The window as its own RGB picture (the caller may keep or transfer its buffer). Beyond the right and lower edge of the
 * picture the last column and row repeat. A layer of one sample comes as grey.
 */
export function cut<S extends Pixels>(image: Image<S>, window: Rect, layer: Layer): Image<S> {
  const { width, height } = window
  const out = { data: sameType(image.data, width * height * 3), width, height, channels: 3 }
  const inside = Math.min(width, image.width - window.x)
  for (let y = 0; y < height; y++) {
    const from = (Math.min(window.y + y, image.height - 1) * image.width + window.x) * image.channels
    const row = out.data.subarray(y * width * 3, (y + 1) * width * 3)
    if (image.channels === 3 && layer.length === 3) row.set(image.data.subarray(from, from + inside * 3))
    else copySamples(image, from, layer, row, inside)
    for (let x = inside; x < width; x++) row.copyWithin(x * 3, (inside - 1) * 3, inside * 3)
  }
  return out
}

function copySamples(image: Image<Pixels>, start: number, layer: Layer, row: Pixels, pixels: number): void {
  const { data, channels } = image
  const r = layer[0]
  const g = layer[1] ?? r
  const b = layer[2] ?? r
  for (let x = 0, i = start, o = 0; x < pixels; x++, i += channels, o += 3) {
    row[o] = data[i + r]!
    row[o + 1] = data[i + g]!
    row[o + 2] = data[i + b]!
  }
}

/**
 * Copies the core of a finished window, `scale` times as large, into the samples `layer` of the result.
 * One sample (or three with `grey`) gets the luma of the window: 77 R + 150 G + 29 B over 256, which leaves grey as it is.
 */
export function paste<S extends Pixels>(out: Image<S>, result: Image<S>, tile: Tile, scale: number, layer: Layer, grey: boolean): void {
  const width = tile.core.width * scale
  const height = tile.core.height * scale
  const left = (tile.core.x - tile.window.x) * scale
  const top = (tile.core.y - tile.window.y) * scale
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * result.width + left) * 3
    const to = ((tile.core.y * scale + y) * out.width + tile.core.x * scale) * out.channels
    const row = result.data.subarray(from, from + width * 3)
    if (grey || layer.length === 1) pasteGreyRow(row, out, to, layer)
    else if (out.channels === 3) out.data.set(row, to)
    else pasteColourRow(row, out, to)
  }
}

function pasteGreyRow(row: Pixels, out: Image<Pixels>, start: number, layer: Layer): void {
  const { data, channels } = out
  for (let i = 0, o = start; i < row.length; i += 3, o += channels) {
    const grey = (77 * row[i]! + 150 * row[i + 1]! + 29 * row[i + 2]! + 128) >> 8
    data[o + layer[0]] = grey
    if (layer.length === 3) data[o + 1] = data[o + 2] = grey
  }
}

function pasteColourRow(row: Pixels, out: Image<Pixels>, start: number): void {
  const { data, channels } = out
  for (let i = 0, o = start; i < row.length; i += 3, o += channels) {
    data[o] = row[i]!
    data[o + 1] = row[i + 1]!
    data[o + 2] = row[i + 2]!
  }
}
