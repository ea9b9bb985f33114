"""Microsoft Foundry, the one provider: what its API is asked and answers, how that is sent, and as whom."""
