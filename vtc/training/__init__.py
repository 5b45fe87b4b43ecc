"""Training: folders of videos in, weights out. Index, frame cache, batches, recipes and the loop that runs an
objective.
"""
