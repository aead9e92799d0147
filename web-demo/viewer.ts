/** Before and after, one over the other, with a border that the mouse, a finger or the keyboard moves; zoom and pan. */
export interface Viewer {
  /** Shows the input alone, at the size the result will have. */
  showBefore(address: string, width: number, height: number): void
  /** Lays the result over it. */
  showAfter(address: string, width: number, height: number): void
  /** Takes the result away again. */
  hideAfter(): void
  /** Lets go of both pictures, which the browser keeps decoded for as long as something shows them. */
  clear(): void
}

interface Parts {
  stage: HTMLElement
  before: HTMLImageElement
  after: HTMLImageElement
  handle: HTMLElement
  zoom: HTMLElement
}

export function createViewer({ stage, before, after, handle, zoom }: Parts): Viewer {
  let size = { width: 1, height: 1 }
  let split = 50
  /** Device pixels per pixel of the result; `fit`: all of it in the stage. */
  let magnification: 'fit' | number = 'fit'
  /** The point of the result, 0..1, in the middle of the stage. */
  let centre = { x: 0.5, y: 0.5 }

  const setSplit = (percent: number) => {
    split = Math.min(100, Math.max(0, percent))
    stage.style.setProperty('--split', `${split}%`)
    const rounded = Math.round(split)
    handle.setAttribute('aria-valuenow', String(rounded))
    handle.setAttribute('aria-valuetext', `${rounded}% before, ${100 - rounded}% after`)
  }

  const shownSize = () => {
    if (magnification === 'fit') return { width: stage.clientWidth, height: stage.clientHeight }
    const factor = magnification / window.devicePixelRatio
    return { width: size.width * factor, height: size.height * factor }
  }

  const place = () => {
    stage.parentElement!.style.setProperty('--ratio', String(size.width / size.height))
    stage.style.setProperty('--natural', `${Math.max(size.width, 480)}px`)
    const zoomed = magnification !== 'fit'
    stage.classList.toggle('zoomed', zoomed)
    const shown = shownSize()
    centre = { x: within(centre.x, stage.clientWidth / shown.width), y: within(centre.y, stage.clientHeight / shown.height) }
    const left = stage.clientWidth / 2 - centre.x * shown.width
    const top = stage.clientHeight / 2 - centre.y * shown.height
    for (const image of [before, after]) {
      image.style.width = `${shown.width}px`
      image.style.height = `${shown.height}px`
      image.style.transform = `translate(${left}px, ${top}px)`
    }
    if (zoomed) stage.tabIndex = 0
    else stage.removeAttribute('tabindex')
    for (const button of zoom.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(button.dataset.zoom === String(magnification)))
    }
  }

  const pan = (dx: number, dy: number) => {
    const shown = shownSize()
    centre = { x: centre.x - dx / shown.width, y: centre.y - dy / shown.height }
    place()
  }

  // On the handle, or anywhere while all is in view, dragging moves the border; elsewhere it moves the zoomed picture.
  stage.addEventListener('pointerdown', event => {
    const target = event.target as Element
    if (event.button !== 0 || !event.isPrimary || target.closest('.working')) return
    const onHandle = target.closest('.handle') !== null
    const movesSplit = (onHandle || magnification === 'fit') && stage.classList.contains('done')
    if (!movesSplit && magnification === 'fit') return
    event.preventDefault()
    if (movesSplit) handle.focus({ preventScroll: true })
    stage.setPointerCapture(event.pointerId)
    let last = { x: event.clientX, y: event.clientY }
    const move = (to: PointerEvent) => {
      if (to.pointerId !== event.pointerId) return
      if (movesSplit) {
        const box = stage.getBoundingClientRect()
        setSplit(((to.clientX - box.left) / box.width) * 100)
      } else pan(to.clientX - last.x, to.clientY - last.y)
      last = { x: to.clientX, y: to.clientY }
    }
    move(event)
    const stop = new AbortController()
    stage.addEventListener('pointermove', move, { signal: stop.signal })
    for (const end of ['pointerup', 'pointercancel'] as const) {
      stage.addEventListener(end, ({ pointerId }) => pointerId === event.pointerId && stop.abort(), { signal: stop.signal })
    }
  })

  handle.addEventListener('keydown', event => {
    const step = event.shiftKey ? 10 : 2
    const moves: Record<string, number> = {
      ArrowLeft: split - step,
      ArrowDown: split - step,
      ArrowRight: split + step,
      ArrowUp: split + step,
      PageDown: split - 10,
      PageUp: split + 10,
      Home: 0,
      End: 100,
    }
    const to = moves[event.key]
    if (to === undefined) return
    event.preventDefault()
    event.stopPropagation()
    setSplit(to)
  })

  stage.addEventListener('keydown', event => {
    const moves: Record<string, [number, number]> = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }
    const by = moves[event.key]
    if (by === undefined || event.target !== stage) return
    event.preventDefault()
    pan(...by)
  })

  zoom.addEventListener('click', event => {
    const asked = (event.target as Element).closest('button')?.dataset.zoom
    if (asked === undefined) return
    magnification = asked === 'fit' ? 'fit' : Number(asked)
    place()
  })

  new ResizeObserver(place).observe(stage)

  const hideAfter = () => {
    stage.classList.remove('done')
    after.removeAttribute('src')
  }

  return {
    hideAfter,
    clear() {
      hideAfter()
      before.removeAttribute('src')
      stage.hidden = true
    },
    showBefore(address, width, height) {
      size = { width, height }
      magnification = 'fit'
      centre = { x: 0.5, y: 0.5 }
      hideAfter()
      before.src = address
      stage.hidden = false
      place()
    },
    showAfter(address, width, height) {
      size = { width, height }
      after.src = address
      stage.hidden = false
      stage.classList.add('done')
      setSplit(50)
      place()
      // Shrunk to fit, a large result hides what was gained: show it pixel by pixel.
      if (stage.clientWidth * window.devicePixelRatio < 0.6 * width) magnification = 1
      place()
    },
  }
}

/** Keeps the middle where the picture still fills the stage; a picture smaller than the stage stays in its middle. */
function within(centre: number, visible: number): number {
  return visible >= 1 ? 0.5 : Math.min(1 - visible / 2, Math.max(visible / 2, centre))
}
