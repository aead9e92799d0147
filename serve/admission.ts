import { UprezError } from '../errors.js'
import type { ServerLimits } from './limits.js'

/** Counts what is on its way, so that memory stays bounded however many ask at once. */
export interface Admission {
  /**
   * Takes a place for a body of so many bytes.
   * @throws UprezError `busy`
   */
  enter(bytes: number): Place
}

export interface Place {
  /** From now on so many bytes are held here instead: nobody is turned out for it, but the next may be. */
  holds(bytes: number): void
  /** Gives the place back, once, however often it is called. */
  leave(): void
}

export function createAdmission(limits: Pick<ServerLimits, 'maxInFlight' | 'maxInFlightBytes'>): Admission {
  const places = new Map<Place, number>()
  const held = () => [...places.values()].reduce((sum, bytes) => sum + bytes, 0)
  return {
    enter(bytes) {
      if (places.size >= limits.maxInFlight) throw busy(`${limits.maxInFlight} pictures`)
      if (places.size > 0 && held() + bytes > limits.maxInFlightBytes) throw busy(`${limits.maxInFlightBytes} bytes of pictures`)
      const place: Place = {
        holds: bytes => places.has(place) && places.set(place, bytes),
        leave: () => places.delete(place),
      }
      places.set(place, bytes)
      return place
    },
  }
}

const busy = (most: string): UprezError =>
  new UprezError('busy', `The server works on at most ${most} at once; try again shortly`, { expected: `at most ${most} at once` })
