import { testLosses } from '../support/losses.js'
import { needsNative } from '../support/native.js'

testLosses('tensorflow', needsNative)
