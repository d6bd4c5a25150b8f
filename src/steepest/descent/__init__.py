"""Down the slope: by steps, or the whole path in closed form."""
