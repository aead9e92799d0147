import { needsNative } from '../support/native.js'
import { testSteps } from './steps.js'

testSteps('tensorflow', needsNative)
