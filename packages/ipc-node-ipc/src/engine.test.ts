// SPDX-License-Identifier: Apache-2.0
import * as net from '@bureau/ipc';
import { ipcCompliance } from '@bureau/ipc/testing';
import * as nodeIpc from './index.ts';

ipcCompliance('node-ipc', nodeIpc);
ipcCompliance('node-ipc serves node:net', { serve: nodeIpc.serve, connect: net.connect });
ipcCompliance('node:net serves node-ipc', { serve: net.serve, connect: nodeIpc.connect });
