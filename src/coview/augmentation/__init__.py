"""Station 5: clip -> clip. One random draw shared by all views, on whole batches, on the model's device."""
