import { Role } from '../dialects/openai-chat/request.ts';
import type { Stage } from './envelope.ts';

/**
 * Chunker: System (the leading system and developer messages, no later one) · Tool (definitions) · History · Query
 * (all after the last assistant message).
 */
export const chunker: Stage = {
  name: 'chunker',
  run({ blocks, document, request }) {
    const { roles, toolsNode } = request;
    let systemEnd = 0;
    while (systemEnd < roles.length && leads(roles.at(systemEnd))) systemEnd++;
    let historyEnd = roles.length;
    while (historyEnd > systemEnd && roles.at(historyEnd - 1) !== Role.Assistant) historyEnd--;
    blocks.systemEnd = systemEnd;
    blocks.historyEnd = historyEnd;
    blocks.tools.clear();
    if (toolsNode < 0) return;
    const end = document.next(toolsNode);
    for (let tool = toolsNode + 1; tool < end; tool = document.next(tool)) blocks.tools.push(tool);
  },
};

const leads = (role: number): boolean => role === Role.System || role === Role.Developer;
