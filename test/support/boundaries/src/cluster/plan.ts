/** A part that knows who puts it together. */
import { view } from '../api/view.js';

export const plan = view;
