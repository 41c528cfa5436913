"""What of a stated template is let in: parts, holds, rejections, and the wishes of people."""
