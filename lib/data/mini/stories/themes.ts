import { bakery } from './bakery.js';
import { collection } from './collection.js';
import { journey } from './journey.js';
import { money } from './money.js';
import { school } from './school.js';
import type { Theme } from './turn.js';

export const themes: readonly Theme[] = [collection, money, journey, bakery, school];
