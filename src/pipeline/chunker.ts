import { Role } from '../dialects/request-facts.ts';
import type { Stage } from './envelope.ts';

/**
 * Chunker: System (a field of the body, or the leading system and developer messages, no later one) · Tool (definitions) ·
 * History · Query (all after the last assistant message).
 */
export const chunker: Stage = {
  name: 'chunker',
  run({ blocks, request }) {
    const { roles, shape, tools } = request;
    let systemEnd = 0;
    while (!shape.systemField && systemEnd < roles.length && leads(roles.at(systemEnd))) systemEnd++;
    let historyEnd = roles.length;
    while (historyEnd > systemEnd && roles.at(historyEnd - 1) !== Role.Assistant) historyEnd--;
    blocks.systemEnd = systemEnd;
    blocks.historyEnd = historyEnd;
    blocks.tools.clear();
    for (let index = 0; index < tools.length; index++) blocks.tools.push(index);
  },
};

const leads = (role: number): boolean => role === Role.System || role === Role.Developer;
