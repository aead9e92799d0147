/** A convolution by its definition, in plain loops, for tests that need an answer from elsewhere than tfjs. */
export interface Shape {
  batch: number
  height: number
  width: number
  channels: number
  filters: number
  kernel: [height: number, width: number]
  stride: number
  dilation: number
  /** Rows above, columns to the left. */
  pad: { top: number; left: number }
  /** Rows and columns of the result. */
  out: { height: number; width: number }
}

/** Calls `see` for every product of the sum that a convolution is: indices into x (NHWC), the kernel (HWIO) and the result (NHWC). */
export function products(s: Shape, see: (x: number, w: number, y: number) => void): void {
  const [kh, kw] = s.kernel
  for (let n = 0; n < s.batch; n++) {
    for (let oy = 0; oy < s.out.height; oy++) {
      for (let ox = 0; ox < s.out.width; ox++) {
        for (let ky = 0; ky < kh; ky++) {
          for (let kx = 0; kx < kw; kx++) {
            const iy = oy * s.stride - s.pad.top + ky * s.dilation
            const ix = ox * s.stride - s.pad.left + kx * s.dilation
            if (iy < 0 || ix < 0 || iy >= s.height || ix >= s.width) continue
            for (let c = 0; c < s.channels; c++) {
              for (let f = 0; f < s.filters; f++) {
                const x = ((n * s.height + iy) * s.width + ix) * s.channels + c
                const w = ((ky * kw + kx) * s.channels + c) * s.filters + f
                see(x, w, ((n * s.out.height + oy) * s.out.width + ox) * s.filters + f)
              }
            }
          }
        }
      }
    }
  }
}
