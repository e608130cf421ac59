"""BudSim answers how a model should be deployed on given clusters, for a load and its SLOs."""
