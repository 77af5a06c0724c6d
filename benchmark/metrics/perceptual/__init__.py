"""Distances between the features of networks that learned to recognize what pictures show: LPIPS and DISTS.

Their authors' packages, `isorate[perceptual]`, bring the weights that they trained; the networks below need ImageNet
weights that the user puts beside them. The packages' own code is not run: it imports torchvision, which does not load
beside every build of PyTorch, and downloads what is missing in the middle of a run.
"""
