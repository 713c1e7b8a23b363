# Death at every instruction.
