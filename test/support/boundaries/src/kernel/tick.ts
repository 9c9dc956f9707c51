/** A lower layer that looks up. */
import { word } from '../net/word.js';

export const tick = word;
