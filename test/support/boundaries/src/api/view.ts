/** Allowed: the layers below. */
import { word } from '../net/word.js';

export const view = word;
